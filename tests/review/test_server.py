"""The server ends soon after it is told to, whatever its requests are doing."""

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lymphoscope.review.server import SECONDS_TO_END
from lymphoscope.review.tables import Answer
from lymphoscope.review.verification import verify

SLACK = 10
"""Seconds that a busy machine may take on top."""


@pytest.fixture
def running(make_server: Any, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client, Any]]:
    """A server in a process of its own, and a reader who is logged in."""
    made = make_server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from lymphoscope.cli.main import main; main()"
    command = [sys.executable, "-c", program, "review", "serve", str(made.settings.roots[0])]
    command += ["--database", str(made.settings.database), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if client.get("/healthz").status_code == 200:
                    break
            time.sleep(0.1)
        answer = client.post("/api/login", json={"name": "rita", "password": made.password})
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        yield process, client, made
    process.kill()
    process.wait()


@pytest.mark.slow
def test_the_server_ends_with_open_connections_and_the_status_of_the_signal(running: Any) -> None:
    process, client, made = running
    assert client.get("/api/cases").status_code == 200  # the connection stays open
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_TO_END + SLACK) == 143
    assert time.monotonic() - began < SECONDS_TO_END
    assert verify(made.database).faults == ()


@pytest.mark.slow
def test_the_server_ends_in_time_though_a_request_waits_for_the_database(running: Any) -> None:
    process, client, made = running
    label = {"cells": [1], "label": "blast"}
    kept = client.post("/api/readings/1/labels", json=label, headers={"If-Match": '"1"'})
    assert kept.status_code == 200
    other = sqlite3.connect(made.settings.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def wait() -> None:
        with suppress(httpx.TransportError):
            client.post("/api/readings/1/labels", json=label | {"label": "monocyte"}, headers={"If-Match": '"2"'})

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_TO_END + SLACK) == 143
    other.execute("ROLLBACK")
    other.close()
    waiting.join(30)
    assert verify(made.database).faults == ()
    with made.database.read() as session:
        assert session.get_one(Answer, (1, 1)).label == "blast"
