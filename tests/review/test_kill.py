"""SIGKILL of the server, or of the database, in the middle of a scripted review: what was acknowledged is there.

A few kills of each kind; for more: `LYMPHOSCOPE_KILLS=30 pytest -s tests/review/test_kill.py`.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from lymphoscope.review.audit import content_of
from lymphoscope.review.database import open_database
from lymphoscope.review.tables import Event
from lymphoscope.review.verification import verify

KILLS = int(os.environ.get("LYMPHOSCOPE_KILLS", "5"))
FORKING = """
import os, sys
from pathlib import Path
import lymphoscope.review.pages.routes
from lymphoscope.review.server import Address, serve
from lymphoscope.review.settings import ReviewSettings
child = 0
for line in sys.stdin:
    if line == "wait\\n":
        os.waitpid(child, 0)
        print("ended", flush=True)
        continue
    database, folder, port = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        serve(ReviewSettings(database=database, roots=(Path(folder),)), Address(port=int(port)))
        os._exit(0)
    print(child, flush=True)
"""
"""Forks a server per line, so that the libraries are imported once and not for every kill."""


@dataclass
class Server:
    """A forked server process; it is not reaped before `wait`, so that its id is not given to another process."""

    forking: subprocess.Popen[str]
    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        assert tell(self.forking, "wait") == "ended"


def tell(forking: subprocess.Popen[str], line: str) -> str:
    assert forking.stdin is not None
    assert forking.stdout is not None
    forking.stdin.write(line + "\n")
    forking.stdin.flush()
    return forking.stdout.readline().strip()


@pytest.fixture(scope="module")
def forking() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FORKING]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # a process that forks must have one thread
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Review:
    """A scripted review: what the server acknowledged, by event."""

    http: httpx.Client
    generator: random.Random
    acknowledged: dict[int, dict[str, Any]] = field(default_factory=dict)

    def work(self, cells: list[int]) -> None:
        """Label, confirm, undo and see at random until the connection breaks."""
        version = self.json(self.http.get("/api/readings/1"))["version"]
        while True:
            action = self.generator.choice(["labels", "confirm", "undo", "seen", "changes"])
            body: dict[str, Any] = {"cells": self.generator.sample(cells, self.generator.randint(1, 6))}
            body |= {"label": self.generator.choice(["blast", "monocyte"])} if action == "labels" else {}
            if action == "changes":
                body = {"changes": [{"kind": "label", **body, "label": "lymphocyte"}, {"kind": "seen", **body}]}
                body["changes"] += [{"kind": "undo"}]
            answer = self.http.post(
                f"/api/readings/1/{action}",
                json={} if action == "undo" else body,
                headers={"If-Match": f'"{version}"'},
            )
            content = self.json(answer)
            version = content.get("version", version)
            for one in content.get("results", [content] if answer.status_code == 200 else []):
                if one["event"] is not None:
                    self.acknowledged[one["event"]] = one

    def json(self, answer: httpx.Response) -> dict[str, Any]:
        """The content of an answer. Raises ConnectionError where the server says that the database is gone."""
        if answer.status_code == 503:
            raise ConnectionError(answer.text)
        assert answer.status_code in (200, 409), answer.text
        content: dict[str, Any] = answer.json()
        return content


def start(forking: subprocess.Popen[str], address: str, folder: Path, port: int) -> Server:
    server = Server(forking, int(tell(forking, f"{address}\t{folder}\t{port}")))
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return server
        time.sleep(0.1)
    server.kill()
    raise AssertionError("the server did not start")


def kill_at_work(review: Review, delay: float, kill: Callable[[], None]) -> None:
    """Kill some time after two events were acknowledged, however slow the machine is."""
    deadline = time.monotonic() + 300
    while len(review.acknowledged) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(delay)
    kill()


def check(address: str, acknowledged: dict[int, dict[str, Any]]) -> None:
    database = open_database(address)
    try:
        result = verify(database)
        assert result.faults == ()
        with database.read() as session:
            for sequence, answer in acknowledged.items():
                data = content_of(session.get_one(Event, sequence))["data"]
                cells = [one if isinstance(one, int) else one["id"] for one in answer["cells"]]
                assert sorted(one[0] for one in data["changes"]) == sorted(cells)
                assert data["version"] == answer.get("version", data["version"])
    finally:
        database.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "killed"), [("sqlite", "server"), ("postgresql", "server"), ("postgresql", "database")]
)
def test_every_acknowledged_event_survives_a_kill_at_a_random_moment(
    kind: str,
    killed: str,
    make_server: Any,
    forking: subprocess.Popen[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    address = request.getfixturevalue("postgresql") if kind == "postgresql" else str(tmp_path / "review.db")
    made = make_server(address)
    folder = made.settings.roots[0]
    cells = [cell["id"] for cell in made.person("rita").get("/api/readings/1/cells")["cells"]]
    made.database.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    generator = random.Random(7)  # noqa: S311
    acknowledged: dict[int, dict[str, Any]] = {}
    login: dict[str, Any] = {}
    gone = (ConnectionError,) if killed == "database" else ()
    for _ in range(KILLS):
        server = start(forking, address, folder, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            if not login:
                answer = http.post("/api/login", json={"name": "rita", "password": made.password})
                login = {"cookies": dict(answer.cookies), "token": answer.json()["csrf_token"]}
            http.cookies.update(login["cookies"])
            http.headers["X-CSRF-Token"] = login["token"]
            review = Review(http, generator)
            kill = request.getfixturevalue("postgres_server").kill if killed == "database" else server.kill
            killer = threading.Thread(target=kill_at_work, args=(review, generator.uniform(0.0, 1.0), kill))
            killer.start()
            with contextlib.suppress(httpx.TransportError, *gone):
                review.work(cells)
            killer.join()
            server.kill()
            server.wait()
        if killed == "database":
            request.getfixturevalue("postgres_server").start()
        acknowledged |= review.acknowledged
        check(address, acknowledged)
    assert len(acknowledged) > KILLS
    print(f"{kind}, {killed} killed {KILLS} times: {len(acknowledged)} acknowledged events, all there")
