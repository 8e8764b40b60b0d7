"""Time until a label is stored, one by one and while keys queue, on SQLite and PostgreSQL.

    python benchmarks/review_saves.py RESULTS [--labels 200] [--together 20] [--json FILE]

RESULTS is a results folder of `lymphoscope smear`; the figures are for its first case. The server is a process of its
own. One by one: the next label leaves when the last is stored, as from a program. Queued: `--together` labels leave in
one request, as the gallery sends what a person has answered while the last request was under way.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from review_load import PASSWORD, add_readers, free_port, postgres
from timing import write


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--labels", type=int, default=200, help="labels of each way")
    parser.add_argument("--together", type=int, default=20, help="labels in one request of the queued way")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"{'database':<12}{'labels':<12}{'p50 ms':>9}{'p95 ms':>9}{'labels/s':>10}{'processor ms per label':>24}")
    found = {}
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        for name, database in (("SQLite", str(Path(folder) / "review.db")), ("PostgreSQL", server)):
            add_readers(database, 1)
            with review_server(given.results, database) as (client, process):
                found[name] = [
                    measure(name, client, process, given.labels, together) for together in (1, given.together)
                ]
    write(given.json, {"labels": given.labels, "together": given.together, "measured": found})


@contextmanager
def review_server(results: Path, database: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Serve the results in a process of its own; yield a client that is logged in, and the process."""
    port = free_port()
    program = [str(Path(sys.executable).with_name("lymphoscope")), "review", "serve", str(results)]
    command = [*program, "--port", str(port), "--database", database]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_for(client)
            answer = client.post("/api/login", json={"name": "reader0", "password": PASSWORD}).raise_for_status()
            client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
            yield client, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def wait_for(client: httpx.Client) -> None:
    """Wait until the server answers."""
    for _ in range(3000):
        with suppress(httpx.TransportError):
            if client.get("/healthz").is_success:
                return
        time.sleep(0.2)
    sys.exit("the server did not start")


def measure(name: str, client: httpx.Client, process: psutil.Process, labels: int, together: int) -> dict[str, float]:
    """Label cells `together` in one request; print and return milliseconds until they are stored, and the rate."""
    index = client.get("/api/readings/1/index").raise_for_status().json()
    cells, version = index["cells"]["id"], index["version"]
    times, before, began = [], used(process), time.perf_counter()
    for start in range(0, labels, together):
        kind = "monocyte" if start // together % 2 else "lymphocyte"
        changes = [{"kind": "label", "cells": [one], "label": kind} for one in cells[start : start + together]]
        sent = time.perf_counter()
        headers = {"If-Match": f'"{version}"'}
        answer = client.post("/api/readings/1/changes", json={"changes": changes}, headers=headers).raise_for_status()
        times.append(1000 * (time.perf_counter() - sent))
        version = answer.json()["version"]
    seconds = time.perf_counter() - began
    result = {
        "together": together,
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(sorted(times)[int(0.95 * len(times)) - 1], 1),
        "labels_per_second": round(labels / seconds, 1),
        "processor_ms_per_label": round(1000 * (used(process) - before) / labels, 1),
    }
    how = "one by one" if together == 1 else f"{together} queued"
    print(
        f"{name:<12}{how:<12}{result['p50_ms']:>9.1f}{result['p95_ms']:>9.1f}{result['labels_per_second']:>10.1f}"
        f"{result['processor_ms_per_label']:>24.1f}",
        flush=True,
    )
    return result


def used(process: psutil.Process) -> float:
    """Return the processor time of a process in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
