"""A results folder of `smear` in the real layout, drawn in seconds; a server on it; Debian's Chromium."""

import json
import random
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pwdlib.hashers.argon2 import Argon2Hasher

from lymphoscope.review.access import ReviewContext
from lymphoscope.review.application import create_app
from lymphoscope.review.importing import import_results
from lymphoscope.review.people import add_user
from lymphoscope.review.settings import ReviewSettings

CLASSES = ("blast", "segmented_neutrophil", "lymphocyte", "monocyte", "eosinophil", "erythroblast")
WEIGHTS = (10, 45, 30, 8, 4, 3)
COLOURS = {
    "blast": (110, 60, 160),
    "segmented_neutrophil": (150, 110, 190),
    "lymphocyte": (70, 40, 130),
    "monocyte": (120, 100, 170),
    "eosinophil": (200, 110, 110),
    "erythroblast": (90, 40, 90),
}
SPRITE, PER_ROW, STEP = 96, 32, 100
SCALE = 0.25
"""Microns per pixel."""


def write_results(
    folder: Path, *, cells: int = 240, per_field: int = 60, subject: str = "S01", field: str = "field-{:03}.png"
) -> Path:
    """Write a results folder; `field` is the pattern of the names of fields, which a hostile test chooses."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)  # noqa: S311 - numbers for a test
    labels = draw.choices(CLASSES, WEIGHTS, k=cells)
    fields = -(-cells // per_field)
    names = [field.format(number) for number in range(fields)]
    _write_sheets(folder, labels)
    for number in range(fields):
        _write_field(
            folder / "fields" / f"{number}.png", labels[number * per_field : (number + 1) * per_field], per_field
        )
    rows = [_row(at, label, names[at // per_field], per_field, subject, draw) for at, label in enumerate(labels)]
    pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    description = {
        "format_version": 1,
        "model": {"id": "of-a-test", "name": "test", "classes": list(CLASSES), "blast_class": "blast"},
        "fields": [
            {
                "field": name,
                "path": f"fields/{number}.png",
                "width": 10 * STEP,
                "height": _lines(per_field) * STEP,
                "microns_per_pixel": SCALE,
                "slide": "slide 1",
                "subject": subject,
                "quality": [],
            }
            for number, name in enumerate(names)
        ],
    }
    (folder / "smear.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def _lines(per_field: int) -> int:
    return -(-per_field // 10)


def _row(at: int, label: str, field: str, per_field: int, subject: str, draw: random.Random) -> dict[str, object]:
    place = at % per_field
    sure = draw.uniform(0.5, 0.99)
    others = [name for name in CLASSES if name != label]
    scores = {f"score_{name}": (1 - sure) / len(others) for name in others} | {f"score_{label}": sure}
    refer = sure < 0.56
    return {
        "cell_id": f"{field}:{place}",
        "path": "",
        "field": field,
        "slide": "slide 1",
        "subject": subject,
        "x": place % 10 * STEP + 20,
        "y": place // 10 * STEP + 20,
        "width": 60,
        "height": 60,
        "microns_per_pixel": SCALE,
        "detector_score": 0.9,
        "quality": "",
        "marks": "touching" if at % 50 == 0 else "",
        "sprite": f"sprites/sprite-{at // PER_ROW**2:05}.webp",
        "sprite_x": at % PER_ROW * SPRITE,
        "sprite_y": at // PER_ROW % PER_ROW * SPRITE,
        "sprite_size": SPRITE,
        "predicted": label,
        **{f"score_{name}": scores[f"score_{name}"] for name in CLASSES},
        "refer": refer,
        "refer_reason": "the scores are close to each other" if refer else "",
        "error": "",
        "model_id": "of-a-test",
    }


def _disc(colour: tuple[int, int, int], side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side / 2
    distance = np.hypot(y, x)
    pixels = np.full((side, side, 3), (236, 228, 232), np.uint8)
    pixels[distance < 0.32 * side] = tuple(min(255, one + 90) for one in colour)
    pixels[distance < 0.22 * side] = colour
    return pixels


def _write_sheets(folder: Path, labels: list[str]) -> None:
    """Sheets after the first copy it: what they show matters less than that they are there."""
    sheet = np.full((PER_ROW * SPRITE, PER_ROW * SPRITE, 3), 236, np.uint8)
    discs = {name: _disc(colour, SPRITE) for name, colour in COLOURS.items()}
    for at, label in enumerate(labels[: PER_ROW**2]):
        top, left = at // PER_ROW * SPRITE, at % PER_ROW * SPRITE
        sheet[top : top + SPRITE, left : left + SPRITE] = discs[label]
    (folder / "sprites").mkdir(exist_ok=True)
    first = folder / "sprites" / "sprite-00000.webp"
    Image.fromarray(sheet).save(first, method=0)
    for number in range(1, -(-len(labels) // PER_ROW**2)):
        shutil.copy(first, folder / "sprites" / f"sprite-{number:05}.webp")


def _write_field(path: Path, labels: list[str], per_field: int) -> None:
    field = np.full((_lines(per_field) * STEP, 10 * STEP, 3), (236, 228, 232), np.uint8)
    for at, label in enumerate(labels):
        top, left = at // 10 * STEP, at % 10 * STEP
        field[top : top + STEP, left : left + STEP] = _disc(COLOURS[label], STEP)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(field).save(path, compress_level=1)


PASSWORD = "correct horse battery"  # noqa: S105 - of a test
PEOPLE = {"ada": ["senior_reader"], "ben": ["reader"], "cleo": ["reader"], "root": ["administrator"]}


@dataclass(frozen=True)
class Served:
    """A running server: its address, its application, and the results that were imported."""

    url: str
    app: FastAPI
    results: Path

    @property
    def context(self) -> ReviewContext:
        """What the handlers share."""
        context: ReviewContext = self.app.state.review
        return context


@cache
def hashed_password() -> str:
    """The argon2 hash of the password of all people, of the lowest cost."""
    return Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@contextmanager
def serve(
    results: Path,
    database: Path,
    *,
    images: tuple[Path, ...] = (),
    target: int = 200,
    setup_token: str | None = None,
) -> Iterator[Served]:
    """Serve results on a free port of the loopback, with the people above; with `setup_token`, an empty database."""
    settings = ReviewSettings(
        database=database, roots=(results,), image_roots=images, target=target, setup_token=setup_token
    )
    app = create_app(settings)
    context: ReviewContext = app.state.review
    if setup_token is None:
        _fill(context, results, settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield Served(f"http://127.0.0.1:{port}", app, results)
    server.should_exit = True
    thread.join(20)


def _fill(context: ReviewContext, results: Path, settings: ReviewSettings) -> None:
    hashed = hashed_password()
    with context.database.write() as session:
        for name, roles in PEOPLE.items():
            add_user(session, name, display_name=f"{name.title()} Tester", roles=roles, password_hash=hashed, by=None)
    import_results(context.database, results, settings, by="root")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one case of 240 cells, which no test changes."""
    return write_results(tmp_path_factory.mktemp("results"))


@pytest.fixture
def served(results: Path, tmp_path: Path) -> Iterator[Served]:
    """A server with one case of 240 cells."""
    with serve(results, tmp_path / "review.db") as running:
        yield running


@pytest.fixture(scope="session")
def unchanged(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same for tests that change nothing: one server for all of them."""
    with serve(results, tmp_path_factory.mktemp("unchanged") / "review.db") as running:
        yield running


@pytest.fixture
def reader(unchanged: Served) -> Iterator[httpx.Client]:
    """A client of the server that no test changes, logged in as a senior reader."""
    with httpx.Client(base_url=unchanged.url, timeout=60) as made:
        log_in(made, "ada")
        yield made


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """A client that is logged in as a senior reader."""
    with httpx.Client(base_url=served.url, timeout=60) as made:
        log_in(made, "ada")
        yield made


def log_in(client: httpx.Client, name: str) -> None:
    """Log a client in; later changes carry its token."""
    answer = client.post("/api/login", json={"name": name, "password": PASSWORD})
    answer.raise_for_status()
    client.headers["X-CSRF-Token"] = client.get("/api/me").json()["csrf_token"]


def sign(client: httpx.Client) -> None:
    """Sign the present revision of the first case, although not everything was done."""
    case = client.get("/api/cases/1").raise_for_status().json()
    version = client.get(f"/api/readings/{case['reading']}").raise_for_status().json()["version"]
    body = {"password": PASSWORD, "meaning": "a test", "override_reason": "a test"}
    client.post("/api/cases/1/sign", json=body, headers={"If-Match": f'"{version}"'}).raise_for_status()


@pytest.fixture(scope="session")
def helpers() -> ModuleType:
    """The functions of this file: tests cannot import it."""
    return sys.modules[__name__]
