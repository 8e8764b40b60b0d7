"""The same table from a cluster: a real one of two workers here, one of which is killed in the middle."""

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
from lymphoscope.model_file import demonstration_model
from lymphoscope.vocabulary import prediction_columns

SIZES = {"batch_size": 4, "chunk_rows": 8}
CELLS = 128
"""Parts enough for both nodes to be at work, also where other processes have a share of the machine."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that differ, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    for number in range(CELLS - 1):
        spots = generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(spots).resize((320, 320), Image.Resampling.BICUBIC).save(folder / f"{number:03d}.png")
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
    """The processes of a node that are at a task, as their titles say."""
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
    """When a few parts are there: SIGKILL to what the second node is at, and to the node."""
    node = cluster.worker_nodes.copy().pop()
    raylet = node.all_processes["raylet"][0].process.pid
    deadline = time.monotonic() + 90
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
    done = predict_on_cluster(demonstration_model(), named, str(out), address=two_workers.address, threads=1, **SIZES)
    killer.join()
    assert killed
    assert (done.rows, done.failed) == (CELLS, 1)
    assert len(list(out.glob("part-*"))) == CELLS // SIZES["chunk_rows"]
    predict_cells(load(demonstration_model(), threads=1), named, tmp_path / "alone.parquet", **SIZES)
    alone, together = read_predictions(tmp_path / "alone.parquet"), read_predictions(out)
    for one, other in zip(alone.itertuples(), together.itertuples(), strict=True):
        pd.testing.assert_series_equal(pd.Series(one), pd.Series(other), rtol=1e-6)
    assert "Traceback" not in capfd.readouterr().err

    lost = [out / f"part-{number:06d}.parquet" for number in (2, 6)]
    kept = {part: part.stat().st_mtime_ns for part in out.glob("part-*") if part not in lost}
    for part in lost:
        part.unlink()
    again = predict_on_cluster(demonstration_model(), named, str(out), address=two_workers.address, threads=1, **SIZES)
    assert (again.rows, again.failed) == (CELLS, 1)
    assert {part: part.stat().st_mtime_ns for part in kept} == kept
    pd.testing.assert_frame_equal(read_predictions(out), together)


@pytest.mark.slow
def test_a_cluster_of_this_machine_reads_addresses(cells: Path, tmp_path: Path) -> None:
    import ray

    ray.shutdown()
    named = find_cells([f"file://{cells}"])[:8]
    done = predict_on_cluster(demonstration_model(), named, f"file://{tmp_path}/out.parquet", **SIZES)
    assert (done.rows, done.failed) == (8, 0)
    assert read_predictions(tmp_path / "out.parquet")["path"].tolist() == [cell.path for cell in named]
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"out": "OUT.csv"}, r"name it NAME\.parquet"),
        ({"cells": []}, "no cells"),
        ({"address": "127.0.0.1:1"}, "no Ray cluster answers there"),
    ],
)
def test_what_cannot_begin_is_one_line(
    words: dict[str, Any], fault: str, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def nobody(**_: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", nobody)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    use = {"cells": find_cells([cells]), "out": "OUT.parquet", **words}
    use["out"] = use["out"].replace("OUT", f"{tmp_path}/out")
    with pytest.raises(LymphoscopeError, match=fault):
        predict_on_cluster(demonstration_model(), **use)


def test_a_piece_that_is_there_is_not_predicted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lymphoscope.inference import cluster
    from lymphoscope.inference.sinks.parts import Parts

    out = tmp_path / "out.parquet"
    work = Work(None, (), str(out), 4, None)
    Parts(str(out)).start({})
    Parts(str(out)).write(
        3, [{"path": "a.png", "refer": True, "error": "empty file"}], prediction_columns(["all", "hem"])
    )
    monkeypatch.setattr(cluster, "_model_of", lambda *_: pytest.fail("predicted again"))
    found = predict_piece({"number": np.array([3]), "cells": np.array(["[]"])}, work)
    assert found == {"number": [3], "rows": [1], "failed": [1]}


def test_a_fault_that_a_person_can_mend_is_found_in_what_a_worker_raised() -> None:
    from lymphoscope.inference.cluster import _mendable

    outer = RuntimeError("a task failed")
    outer.__cause__ = LymphoscopeError("no such runtime")
    assert str(_mendable(outer)) == "no such runtime"
    assert _mendable(RuntimeError("other")) is None
