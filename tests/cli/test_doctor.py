"""The doctor: healthy here, and honest where something is broken."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lymphoscope
from lymphoscope.cli import doctor
from lymphoscope.cli.main import app


@pytest.fixture(scope="module")
def healthy() -> dict[str, Any]:
    answer = CliRunner().invoke(app, ["doctor", "--json"])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_every_part_of_the_self_test_passes_here(healthy: dict[str, Any]) -> None:
    parts = [check["part"] for check in healthy["checks"]]
    assert parts[:1] == ["method on cpu"]
    assert "shipped model on cpu" in parts
    assert all(check["passed"] for check in healthy["checks"])
    auto = {check["part"]: check["detail"] for check in healthy["checks"]}["--runtime auto for blast"]
    assert auto.startswith("onnx (")


def test_versions_and_devices_are_shown(healthy: dict[str, Any]) -> None:
    import torch

    assert healthy["versions"]["lymphoscope"] == lymphoscope.__version__
    assert torch.__version__.startswith(healthy["versions"]["torch"])
    assert len(healthy["cuda"]) == torch.cuda.device_count()
    assert min(healthy["free_disk_gb"].values()) > 0


def test_a_broken_model_is_a_row_with_the_reason_and_exit_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lymphoscope.model_file.resolve_model", lambda _: tmp_path / "gone")
    answer = CliRunner().invoke(app, ["doctor"])
    assert answer.exit_code == 3
    row = next(line for line in answer.stdout.splitlines() if line.startswith("shipped model on cpu"))
    assert "FAILED" in row
    assert "gone is not a model" in row


@pytest.mark.slow
def test_a_failing_device_fails_only_its_own_rows() -> None:
    checks = {check.part: check for check in doctor.self_test(["cpu", "nonsense"])}
    assert checks["method on cpu"].passed
    assert not checks["method on nonsense"].passed
    assert "nonsense" in checks["method on nonsense"].detail
    assert "\n" not in checks["method on nonsense"].detail


def test_a_part_that_needs_a_temporary_folder_is_not_checked_where_none_is_writable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    check = doctor._checked("part", lambda _: tempfile.gettempdir(), "cpu")
    assert check.passed is None
    assert check.detail.startswith("no writable temporary folder")


@pytest.mark.slow
def test_a_vote_that_is_not_the_plurality_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("lymphoscope.method.plurality_vote", lambda streams: torch.full((streams.shape[1],), 7))
    checks = doctor.self_test(["cpu"])
    assert not checks[0].passed
    assert "plurality" in checks[0].detail
