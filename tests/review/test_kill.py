"""SIGKILL of the server, or of the database, in the middle of a scripted review: what was acknowledged is there.

A few kills of each kind; for more: `LYMPHOSCOPE_KILLS=30 pytest -s tests/review/test_kill.py`.
"""

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
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
SERVE = """
import sys
from pathlib import Path
from lymphoscope.review.server import Address, serve
from lymphoscope.review.settings import ReviewSettings
serve(ReviewSettings(database=sys.argv[1], roots=(Path(sys.argv[2]),)), Address(port=int(sys.argv[3])))
"""


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
            action = self.generator.choice(["labels", "confirm", "undo", "seen"])
            body: dict[str, Any] = {"cells": self.generator.sample(cells, self.generator.randint(1, 6))}
            body |= {"label": self.generator.choice(["blast", "monocyte"])} if action == "labels" else {}
            answer = self.http.post(
                f"/api/readings/1/{action}",
                json={} if action == "undo" else body,
                headers={"If-Match": f'"{version}"'},
            )
            version = self.json(answer).get("version", version)
            if answer.status_code == 200 and answer.json()["event"] is not None:
                self.acknowledged[answer.json()["event"]] = answer.json()

    def json(self, answer: httpx.Response) -> dict[str, Any]:
        """The content of an answer. Raises ConnectionError where the server says that the database is gone."""
        if answer.status_code == 503:
            raise ConnectionError(answer.text)
        assert answer.status_code in (200, 409), answer.text
        content: dict[str, Any] = answer.json()
        return content


def start(address: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    server = subprocess.Popen([sys.executable, "-c", SERVE, address, str(folder), str(port)])
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return server
        time.sleep(0.1)
    server.kill()
    raise AssertionError("the server did not start")


def check(address: str, acknowledged: dict[int, dict[str, Any]]) -> None:
    database = open_database(address)
    try:
        result = verify(database)
        assert result.faults == ()
        with database.read() as session:
            for sequence, answer in acknowledged.items():
                data = content_of(session.get_one(Event, sequence))["data"]
                assert data["version"] == answer["version"]
                assert [one[0] for one in sorted(data["changes"])] == [one["id"] for one in answer["cells"]]
    finally:
        database.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "killed"), [("sqlite", "server"), ("postgresql", "server"), ("postgresql", "database")]
)
def test_every_acknowledged_event_survives_a_kill_at_a_random_moment(
    kind: str, killed: str, make_server: Any, tmp_path: Path, request: pytest.FixtureRequest
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
        server = start(address, folder, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            if not login:
                answer = http.post("/api/login", json={"name": "rita", "password": made.password})
                login = {"cookies": dict(answer.cookies), "token": answer.json()["csrf_token"]}
            http.cookies.update(login["cookies"])
            http.headers["X-CSRF-Token"] = login["token"]
            review = Review(http, generator)
            kill = request.getfixturevalue("postgres_server").kill if killed == "database" else server.kill
            killer = threading.Timer(generator.uniform(0.05, 1.0), kill)
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
