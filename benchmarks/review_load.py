"""Fifty readers at once on a review server with PostgreSQL: requests per second, times and failures, for one minute.

    python benchmarks/review_load.py RESULTS [--readers 50] [--seconds 60] [--json FILE]

RESULTS is a results folder of `lymphoscope smear`. A PostgreSQL server is started in a temporary folder and stopped at
the end; all stays on the loopback. Each reader opens the gallery of a case, looks at thumbnails and cells, labels,
and undoes now and then. Readers share cases: a change that is refused as a conflict is an answer, not a failure.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

PASSWORD = "a password of the benchmark"  # noqa: S105
EXPECTED_REFUSALS = (409, 423)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as database:
        add_readers(database, given.readers)
        with review_server(given.results, database) as url:
            rows = run_locust(url, Path(folder), given.readers, given.seconds)
    show(rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start PostgreSQL in a folder, as the user `postgres` where this is root; yield its address."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(str(shutil.which("initdb"))).parent]
    programs, data, port = found[-1], folder / "data", free_port()
    as_other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_other:
        shutil.chown(folder, "postgres", "postgres")
    log, sockets = folder / "log", str(folder)
    run([*as_other, str(programs / "initdb"), "-D", str(data), "-U", "review", "--auth=trust", "--no-sync"])
    options = f"-p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c max_connections=120"
    run([*as_other, str(programs / "pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-o", options, "start"])
    try:
        yield f"postgresql://review@127.0.0.1:{port}/postgres"
    finally:
        run([*as_other, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"])


def run(command: list[str]) -> None:
    """Run a program, quietly unless it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr or done.stdout}")


def add_readers(database: str, number: int) -> None:
    """Make the accounts; one hash for all, since computing it takes long on purpose."""
    from lymphoscope.review.database import open_database
    from lymphoscope.review.migrate import upgrade
    from lymphoscope.review.people import add_user, hash_password

    opened = open_database(database)
    upgrade(opened)
    hashed = hash_password(PASSWORD)
    with opened.write() as session:
        for one in range(number):
            name = f"reader{one}"
            add_user(session, name, display_name=name, roles=["reader"], password_hash=hashed, by=None)
    opened.close()


@contextmanager
def review_server(results: Path, database: str) -> Iterator[str]:
    """Serve the results in a process of its own; yield its address."""
    port = free_port()
    program = [str(Path(sys.executable).with_name("lymphoscope")), "review", str(results), "--port", str(port)]
    server = subprocess.Popen([*program, "--database", database], stdout=subprocess.DEVNULL)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3000):
            if server.poll() is not None:
                sys.exit(f"the server ended with status {server.returncode}")
            try:
                urlopen(f"{url}/healthz", timeout=5).close()  # noqa: S310
                break
            except OSError:
                time.sleep(0.2)
        else:
            sys.exit("the server did not start")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def run_locust(url: str, folder: Path, readers: int, seconds: int) -> list[dict[str, str]]:
    """Run locust on this file; return the rows of its table."""
    program = [sys.executable, "-m", "locust", "-f", __file__, "--headless", "--host", url, "--only-summary"]
    bounds = [
        "-u",
        str(readers),
        "-r",
        "5",
        "-t",
        f"{seconds}s",
        "--csv",
        str(folder / "load"),
        "--loglevel",
        "WARNING",
    ]
    subprocess.run([*program, *bounds], check=False, capture_output=True)  # noqa: S603
    with (folder / "load_stats.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def show(rows: list[dict[str, str]]) -> None:
    """Print the table."""
    columns = ("Name", "Request Count", "Failure Count", "Requests/s", "50%", "95%", "99%")
    print(" | ".join(columns))
    for row in rows:
        print(" | ".join(row[name][:40] for name in columns))


if __name__ == "__main__":
    main()
else:
    from locust import HttpUser, between, task

    class Reader(HttpUser):
        """A reader in front of the gallery."""

        wait_time = between(0.5, 1.5)
        number = 0

        def on_start(self) -> None:
            """Log in and open a case."""
            name = f"reader{Reader.number}"
            Reader.number += 1
            body = {"name": name, "password": PASSWORD}
            self.client.post("/api/login", json=body).raise_for_status()
            self.client.headers["X-CSRF-Token"] = self.client.get("/api/me").json()["csrf_token"]
            self.case = random.choice(self.client.get("/api/cases").json()["cases"])  # noqa: S311
            self.reading = f"/api/readings/{self.case['reading']}"
            self.open_gallery()

        def open_gallery(self) -> None:
            """What the page asks for at its start."""
            case = self.case["id"]
            self.client.get(f"/cases/{case}", name="/cases/{case}")
            index = self.client.get(f"{self.reading}/index?sort=class", name="/index").json()
            self.version, self.cells = index["version"], index["cells"]["id"]
            self.client.get(f"{self.reading}/differential", name="/differential")

        @task(6)
        def label(self) -> None:
            """Label a cell, as a key does."""
            body = {"cells": [random.choice(self.cells)], "label": "monocyte"}  # noqa: S311
            self.change("labels", body)

        @task(1)
        def undo(self) -> None:
            """Take the last change back."""
            self.change("undo", {})

        def change(self, path: str, body: dict[str, object]) -> None:
            """Send a change; a conflict with another reader is an answer, not a failure."""
            headers = {"If-Match": f'"{self.version}"'}
            address = f"{self.reading}/{path}"
            with self.client.post(address, json=body, headers=headers, name=f"/{path}", catch_response=True) as answer:
                if answer.status_code in EXPECTED_REFUSALS:
                    answer.success()
                known = answer.json().get("version") if answer.content else None
                self.version = known or self.version

        @task(4)
        def look(self) -> None:
            """Look at a cell and its neighbours in the gallery."""
            cell = random.choice(self.cells)  # noqa: S311
            self.client.get(f"{self.reading}/cells/{cell}", name="/cells/{cell}")
            for one in random.sample(self.cells, min(6, len(self.cells))):
                self.client.get(f"/images/cases/{self.case['id']}/thumbs/{one}", name="/thumbs/{cell}")
