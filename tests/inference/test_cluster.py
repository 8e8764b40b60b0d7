"""A cluster gives the table of one machine: a real one of two workers, one of which is killed halfway."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import read_predictions
from lymphoscope.inference import find_cells, load, predict_cells
from lymphoscope.inference.cluster import Work, predict_on_cluster, predict_piece
from lymphoscope.model_file import resolve_model
from lymphoscope.vocabulary import prediction_columns

pytestmark = pytest.mark.slow

SIZES = {"batch_size": 4, "chunk_rows": 8}
CELLS = 128
MODEL = "white-cells"
"""A cell takes a tenth of the time that `blast` takes."""
"""Enough parts for both nodes to be busy, also while other processes use the machine."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that differ, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    for number in range(CELLS - 1):
        spots = generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        image = Image.fromarray(spots).resize((320, 320), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:03d}.png", compress_level=1)
    (folder / "030-empty.png").touch()
    return folder


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A cluster on this machine, of two nodes with a processor each."""
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ[name] = "0"
    import ray
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # so that its own address is the loopback's
        node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 1024**2}
        cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **node})
        cluster.add_node(**node)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def busy_workers(raylet: int) -> list[int]:
    """The processes of a node that run a task, according to their titles."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            title = (process / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == raylet and title.startswith("ray::") and "IDLE" not in title:
            found.append(int(process.name))
    return found


def kill_when_busy(cluster: Any, out: Path, killed: list[int]) -> None:
    """After a few parts: SIGKILL to the tasks of the second node, and to the node."""
    node = cluster.worker_nodes.copy().pop()
    raylet = node.all_processes["raylet"][0].process.pid
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        workers = busy_workers(raylet)
        if workers and len(list(out.glob("part-*"))) >= 2:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            killed += workers
            cluster.remove_node(node, allow_graceful=False)
            return
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_a_cluster_that_loses_a_worker_gives_the_rows_of_one_machine(
    cells: Path, two_workers: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, killed, named = tmp_path / "out.parquet", list[int](), find_cells([cells])
    killer = threading.Thread(target=kill_when_busy, args=(two_workers, out, killed))
    killer.start()
    done = predict_on_cluster(resolve_model(MODEL), named, str(out), address=two_workers.address, threads=1, **SIZES)
    killer.join()
    assert killed
    assert (done.rows, done.failed) == (CELLS, 1)
    assert len(list(out.glob("part-*"))) == CELLS // SIZES["chunk_rows"]
    predict_cells(load(resolve_model(MODEL), threads=1), named, tmp_path / "alone.parquet", **SIZES)
    alone, together = read_predictions(tmp_path / "alone.parquet"), read_predictions(out)
    for one, other in zip(alone.itertuples(), together.itertuples(), strict=True):
        pd.testing.assert_series_equal(pd.Series(one), pd.Series(other), rtol=1e-6)
    assert "Traceback" not in capfd.readouterr().err

    lost = [out / f"part-{number:06d}.parquet" for number in (2, 6)]
    kept = {part: part.stat().st_mtime_ns for part in out.glob("part-*") if part not in lost}
    for part in lost:
        part.unlink()
    again = predict_on_cluster(resolve_model(MODEL), named, str(out), address=two_workers.address, threads=1, **SIZES)
    assert (again.rows, again.failed) == (CELLS, 1)
    assert {part: part.stat().st_mtime_ns for part in kept} == kept
    pd.testing.assert_frame_equal(read_predictions(out), together)


@pytest.mark.slow
def test_a_local_cluster_reads_and_writes_addresses(cells: Path, tmp_path: Path) -> None:
    import ray

    ray.shutdown()
    named = find_cells([f"file://{cells}"])[:8]
    done = predict_on_cluster(resolve_model(MODEL), named, f"file://{tmp_path}/out.parquet", **SIZES)
    assert (done.rows, done.failed) == (8, 0)
    assert read_predictions(tmp_path / "out.parquet")["path"].tolist() == [cell.path for cell in named]
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"out": "OUT.csv"}, r"name it NAME\.parquet"),
        ({"cells": []}, "no cells"),
        ({"address": "127.0.0.1:1"}, "no Ray cluster answers there"),
    ],
)
def test_a_run_that_cannot_start_is_one_line(
    options: dict[str, Any], fault: str, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def no_answer(**_: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(ray, "init", no_answer)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    use = {"cells": find_cells([cells]), "out": "OUT.parquet", **options}
    use["out"] = use["out"].replace("OUT", f"{tmp_path}/out")
    with pytest.raises(LymphoscopeError, match=fault):
        predict_on_cluster(resolve_model(MODEL), **use)


def test_a_part_that_exists_is_not_predicted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lymphoscope.inference import cluster

    out = tmp_path / "out.parquet"
    work = Work(None, (), str(out), {}, (1, 1, 1, 1), 4, None)
    sink = work.sink(prediction_columns(["all", "hem"]))
    sink.open()
    sink.write(3, [{"path": "a.png", "refer": True, "error": "empty file"}])
    monkeypatch.setattr(cluster, "load_once", lambda *_: pytest.fail("predicted again"))
    chunk = predict_piece({"number": np.array([3]), "cells": np.array(["[]"])}, work)
    assert chunk == {"number": [3], "rows": [1], "failed": [1]}


def test_the_error_of_a_worker_that_the_user_can_fix_is_shown() -> None:
    from lymphoscope.inference.cluster import user_error

    outer = RuntimeError("a task failed")
    outer.__cause__ = LymphoscopeError("no such runtime")
    assert str(user_error(outer)) == "no such runtime"
    assert user_error(RuntimeError("other")) is None
