"""A review server on a small results folder, on SQLite and on PostgreSQL, and people who work with it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import text

from lymphoscope.review.application import create_app
from lymphoscope.review.database import Database, open_database
from lymphoscope.review.importing import import_results
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.people import add_user
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.smear.records import FieldRecord, SmearFeatures, SmearModel, SmearOptions, SmearRecord

PASSWORD = "a long enough password"  # noqa: S105
CLASSES = ("lymphocyte", "monocyte", "segmented_neutrophil", "blast")
PEOPLE = {
    "rita": ["reader"],
    "ravi": ["reader"],
    "sana": ["senior_reader"],
    "adam": ["administrator"],
}


def write_results(
    folder: Path,
    *,
    cells: int = 40,
    subjects: tuple[str, ...] = ("S1",),
    seed: int = 0,
    features: bool = False,
    target: int | None = None,
) -> Path:
    """A results folder as `lymphoscope smear` writes it, without images."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(cells):
        scores = generator.dirichlet([0.5] * len(CLASSES))
        subject = subjects[index % len(subjects)]
        doubtful = scores.max() < 0.6
        rows.append(
            {
                "cell_id": f"c{index:05}",
                "field": f"{subject}-f{index % 3}",
                "slide": f"{subject}-a",
                "subject": subject,
                "x": float(10 * index),
                "y": 5.0,
                "width": 40.0 + index,
                "height": 44.0,
                "outline": json.dumps([[0, 0], [40, 0], [40, 44], [0, 0]]),
                "microns_per_pixel": 0.2,
                "detector_score": 0.9,
                "quality": "",
                "marks": "touching" if index % 9 == 0 else "",
                "path": f"crops/c{index:05}.png",
                "sprite": "sprite-00000.webp",
                "sprite_x": index % 32 * 96,
                "sprite_y": index // 32 * 96,
                "sprite_size": 96,
                "predicted": CLASSES[int(scores.argmax())],
                **{f"score_{name}": float(score) for name, score in zip(CLASSES, scores, strict=True)},
                "refer": bool(doubtful),
                "refer_reason": "low score" if doubtful else None,
                "error": None,
                "model_id": "m1",
            }
        )
        if target is not None:
            rows[-1] |= {"counted_as": "unidentified" if doubtful else rows[-1]["predicted"]}
            rows[-1] |= {"in_target": index < target}
    table = pd.DataFrame(rows)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "cells.parquet")
    fields = [
        {"field": name, "path": f"fields/{name}.png", "width": 1000, "height": 800, "microns_per_pixel": 0.2}
        for name in sorted(table["field"].unique())
    ]
    record = SmearRecord(
        lymphoscope="1",
        date="2026-11-28",
        model=SmearModel(id="m1", name="white-cells", classes=CLASSES, class_titles={}, blast_class="blast"),
        detector="a test",
        options=SmearOptions(target=target, blast_threshold=20, core=1024, erase="auto", precision="float32"),
        cells_table="cells.parquet",
        cells=cells,
        features=SmearFeatures(file="features.npy", dimensions=8, method="random") if features else None,
        fields=tuple(FieldRecord.model_validate(field) for field in fields),
        tiles=(),
    )
    (folder / "smear.json").write_text(record.model_dump_json(), encoding="utf-8")
    if features:
        vectors = generator.normal(size=(cells, 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[cells - 1] = np.nan  # a cell that could not be classified
        np.save(folder / "features.npy", vectors.astype("<f2"))
    return folder


@dataclass
class Client:
    """A person's browser: keeps the session, sends the CSRF token, and the version where one is given."""

    http: TestClient
    csrf: str = ""
    name: str = ""
    seen: dict[int, int] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, version: int | None = None, **options: Any) -> Any:
        headers = {"X-CSRF-Token": self.csrf} | ({} if version is None else {"If-Match": f'"{version}"'})
        return self.http.request(method, path, json=body, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, version: int | None = None, status: int = 0) -> Any:
        answer = self.call("POST", path, body, version)
        assert answer.status_code == status or (not status and answer.status_code in (200, 201)), answer.text
        return answer.json()

    def log_in(self, name: str, password: str = PASSWORD) -> "Client":
        self.csrf, self.name = self.post("/api/login", {"name": name, "password": password})["csrf_token"], name
        return self


@dataclass
class Server:
    """A running application, its database and its people."""

    app: Any
    database: Database
    settings: ReviewSettings
    password: str = PASSWORD

    def client(self) -> Client:
        return Client(TestClient(self.app, base_url="http://localhost", raise_server_exceptions=True))

    def person(self, name: str) -> Client:
        return self.client().log_in(name)


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The argon2 hash of PASSWORD with the lowest cost, which the hash names: ours takes 0.25 s for each login."""
    return Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


class PostgresServer:
    """A PostgreSQL server of our own in a temporary folder; as root it runs as the user postgres."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp())
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.data = self.folder / "data"
        self.run("initdb", "-D", str(self.data), "-U", "lymphoscope", "-A", "trust", "-E", "UTF8", "--no-locale")

    @property
    def address(self) -> str:
        return f"postgresql://lymphoscope@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        command = [*drop, str(self.programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=90, cwd=self.folder)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-o", options, "-w", "-l", log, "start")

    def kill(self) -> None:
        """Kill all processes of the server at once, as a power cut does to them."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(
            ["/usr/bin/pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False
        ).stdout
        for process in (postmaster, *map(int, children.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.5)
        # A killed process that nobody waits for keeps its number, which the next server would take for a running one.
        (self.data / "postmaster.pid").unlink()
        (self.folder / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def stop(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):  # it was killed, and not started again
            self.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL server."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    if programs is None:
        pytest.skip("Debian's PostgreSQL is not installed (package postgresql)")
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and setpriv is not installed")
    server = PostgresServer(programs.parent)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgresql(postgres_server: PostgresServer) -> str:
    """The address of an empty PostgreSQL database."""
    database = open_database(postgres_server.address)
    with database.engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        connection.commit()
    database.close()
    return postgres_server.address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return str(tmp_path / "review.db") if request.param == "sqlite" else request.getfixturevalue("postgresql")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables and nothing in them, to be copied: migrating one takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "review.db"
    database = open_database(str(path))
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def make_server(tmp_path: Path, password_hash: str, migrated_sqlite: Path) -> Iterator[Callable[..., Server]]:
    """Make a server on a results folder, with PEOPLE."""
    servers: list[Server] = []

    def make(address: str | None = None, *, results: Path | None = None, cells: int = 40, **changes: Any) -> Server:
        folder = results or write_results(tmp_path / "results", cells=cells)
        options: dict[str, Any] = {"target": 10, "blind_share": 0.0, **changes}
        database_path = address or str(tmp_path / "review.db")
        if "://" not in database_path and not Path(database_path).exists():
            shutil.copy(migrated_sqlite, database_path)
        settings = ReviewSettings(database=database_path, roots=(folder,), **options)
        app = create_app(settings)
        database: Database = app.state.review.database
        with database.write() as session:
            for name, roles in PEOPLE.items():
                add_user(session, name, display_name=name.title(), roles=roles, password_hash=password_hash, by=None)
        import_results(database, folder, settings, by=None)
        servers.append(Server(app, database, settings))
        return servers[-1]

    make.client_of = lambda app: Client(TestClient(app, base_url="http://localhost"))  # type: ignore[attr-defined]
    make.results = write_results  # type: ignore[attr-defined]
    yield make
    for server in servers:
        server.database.close()


@pytest.fixture
def server(make_server: Callable[..., Server], database_address: str) -> Server:
    """A server on a case of 40 cells, on each kind of database."""
    return make_server(database_address)


@pytest.fixture
def empty_database(database_address: str) -> Iterator[Database]:
    """A database with the tables and nothing in them."""
    database = open_database(database_address)
    upgrade(database)
    yield database
    database.close()
