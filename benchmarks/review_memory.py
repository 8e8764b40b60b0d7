"""Memory of a review server over minutes of scripted work: MB per 1,000 requests, by a line through the second half.

    python benchmarks/review_memory.py RESULTS [--minutes 15] [--json FILE]

RESULTS is a results folder of `lymphoscope smear`. The server is a process of its own on a database in a temporary
folder. The script does what a reader's browser does: opens the gallery, fetches thumbnails, cells and tiles of fields,
labels, undoes, renews the lease, and now and then opens the report and its PDF.
"""

import argparse
import itertools
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
from timing import write

PASSWORD = "a password of the benchmark"  # noqa: S105
EVERY = 500


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        server(given.results, Path(folder)) as (url, process),
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        log_in(client)
        rows = work(client, process, 60 * given.minutes)
    half = np.array(rows[len(rows) // 2 :], dtype=float)
    slope = 1000 * np.polyfit(half[:, 0], half[:, 2], 1)[0]
    print(f"\n{slope:.2f} MB per 1,000 requests in the second half of {rows[-1][0]} requests")
    write(given.json, {"minutes": given.minutes, "rows": rows, "megabytes_per_1000_requests": slope})


@contextmanager
def server(results: Path, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the results in a process of its own; yield its address and the process."""
    database = folder / "review.db"
    program = [str(Path(sys.executable).with_name("lymphoscope")), "review"]
    add = [*program, "users", "add", "ada", "--role", "senior_reader", "--password-stdin", "--database", str(database)]
    subprocess.run(add, input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*program, str(results), "--port", str(port), "--database", str(database)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def log_in(client: httpx.Client) -> None:
    """Log the client in; later changes carry its token."""
    answer = client.post("/api/login", json={"name": "ada", "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.raise_for_status().json()["csrf_token"]


def work(client: httpx.Client, process: psutil.Process, seconds: float) -> list[tuple[int, float, float]]:
    """Work until the time is up; return (requests, seconds, MB of the server) every EVERY requests."""
    print(f"{'requests':>10}{'seconds':>10}{'MB':>10}", flush=True)
    draw, start, rows = random.Random(1), time.monotonic(), []  # noqa: S311 - a script
    for count, _ in enumerate(requests_of(client, draw), start=1):
        passed = time.monotonic() - start
        if count % EVERY == 0:
            rows.append((count, passed, process.memory_info().rss / 1e6))
            print(f"{count:>10}{passed:>10.0f}{rows[-1][2]:>10.1f}", flush=True)
        if passed > seconds:
            break
    return rows


def requests_of(client: httpx.Client, draw: random.Random) -> Iterator[None]:
    """Send requests of a reader for ever, and yield after each."""

    def get(path: str) -> httpx.Response:
        return client.get(path).raise_for_status()

    for turn in itertools.count():
        case = draw.choice(get("/api/cases").json()["cases"])
        reading, number = f"/api/readings/{case['reading']}", case["id"]
        get(f"/cases/{number}")
        index = get(f"{reading}/index?sort={draw.choice(['class', 'doubt', 'learning'])}").json()
        version, cells = index["version"], index["cells"]["id"]
        client.post(f"{reading}/lease").raise_for_status()
        yield from itertools.repeat(None, 4)
        for cell in draw.sample(cells, min(40, len(cells))):
            found = get(f"{reading}/cells/{cell}").json()
            get(f"/images/cases/{number}/thumbs/{cell}")
            get(f"/images/cases/{number}/cells/{cell}")
            get(f"/images/cases/{number}/fields/{found['field']}/tiles/9/0-0.jpg")
            headers = {"If-Match": f'"{version}"'}
            body = {"cells": [cell], "label": draw.choice(["lymphocyte", "monocyte"])}
            version = client.post(f"{reading}/labels", json=body, headers=headers).raise_for_status().json()["version"]
            headers = {"If-Match": f'"{version}"'}
            version = client.post(f"{reading}/undo", json={}, headers=headers).raise_for_status().json()["version"]
            yield from itertools.repeat(None, 6)
        if turn % 5 == 0:
            get(f"/cases/{number}/report")
            get(f"/cases/{number}/report.pdf")
            get(f"/api/cases/{number}/export/fhir")
            yield from itertools.repeat(None, 3)


if __name__ == "__main__":
    main()
