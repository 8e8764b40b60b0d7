"""Every experiment from its request to its page, on tiny cells."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lymphoscope.cli.main import run
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Request, Result, load_definition, plan, reproduce

pytestmark = pytest.mark.slow

MakeRequest = Callable[..., Request]


def check_page(result: Result, page: Path) -> None:
    """The page, the table and the JSON hold the same numbers, and the page refers to nothing outside."""
    text = page.read_text(encoding="utf-8")
    assert "not a medical device" in text
    assert not {"http://", 'src="/', "None<"} & {word for word in ("http://", 'src="/', "None<") if word in text}
    assert Result.model_validate_json((page.parent / f"{result.name}.json").read_text()) == result
    with (page.parent / f"{result.name}.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(result.rows) * len(result.columns)
    assert all(figure.caption in text.replace("&#39;", "'") for figure in result.figures)
    assert [state.state for state in result.runs] == ["done"] * len(result.runs)


@pytest.mark.parametrize(
    ("name", "only", "overrides"),
    [
        ("table2", ("offline_random",), ()),
        ("table3", ("resnet18_with",), ("model.maps=4",)),
        ("table4", ("maps_4",), ()),
        ("figure6", ("resnet18_with",), ("model.maps=4",)),
        ("figure7", ("wt_dfn",), ("model.maps=4",)),
        ("split", (), ("streams=raw",)),
    ],
)
def test_a_grid_writes_its_page(
    name: str, only: tuple[str, ...], overrides: tuple[str, ...], make_request: MakeRequest, tmp_path: Path
) -> None:
    result, page = reproduce(make_request(name, tmp_path, *only, overrides=overrides))
    check_page(result, page)
    for row in result.rows:
        for key, number in row.ours.items():
            assert number.value is not None or number.reason, key
    assert "Trained for one epoch" in " ".join(result.limited)


def test_a_random_split_is_named_at_the_top_of_the_page(make_request: MakeRequest, tmp_path: Path) -> None:
    from lymphoscope.experiments.cell_selection import experiment_cells
    from lymphoscope.experiments.request import describe_limits

    def limits(*only: str, overrides: tuple[str, ...] = ()) -> str:
        request = make_request("split", tmp_path, *only, overrides=overrides)
        return " ".join(describe_limits(request, load_definition("split"), experiment_cells(request)))

    assert "RANDOM SPLIT in at random: cells of one person" in limits()
    assert "RANDOM SPLIT" not in limits("by_subject")
    assert "RANDOM SPLIT in every run" in limits("by_subject", overrides=("split.by=random",))


def test_missing_phases_are_listed(make_request: MakeRequest, tmp_path: Path) -> None:
    result, _ = reproduce(make_request("table2", tmp_path, "final_random"))
    assert result.rows[0].name.endswith("(inner holdout)")
    assert "not the paper's target" in result.rows[0].verdict
    assert [line.partition(" (")[0] for line in result.missing][-2:-1] == ["The images of phase-3"]
    assert "challenge's server" in result.missing[-1]


def test_test_time_ablations_reuse_the_trained_models(ablated: tuple[Result, Path]) -> None:
    result, page = ablated
    check_page(result, page)
    runs = page.parent / "runs"
    for fold in ("fold_0", "fold_1"):
        assert not (runs / "mean" / fold / "tensorboard").exists()
        assert not (runs / "paper" / fold / "checkpoints").exists()
        one, other = ((runs / name / fold / "model") for name in ("paper", "mean"))
        assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
        assert json.loads((other / "model.json").read_text())["test_time"]["decision"] == "mean"
    assert {(test.row, test.against) for test in result.comparisons} == {("test: mean of streams, no vote", "paper")}


@pytest.mark.parametrize("name", ["figure3", "figure4", "figure5"])
def test_a_figure_of_cells_writes_its_page(name: str, make_request: MakeRequest, tmp_path: Path, trained: Path) -> None:
    result, page = reproduce(make_request(name, tmp_path, model=trained))
    check_page(result, page)
    assert len(result.figures) >= 2
    if name == "figure5":
        for row in result.rows:
            votes = [row.ours[f"{stream}_score"].value for stream in ("raw", "crop", "erase")]
            plurality = "all" if sum((vote or 0) > 0.5 for vote in votes) >= 2 else "hem"
            assert f"the plurality is {plurality}" in row.verdict
    else:
        assert result.figures[-1].file == "maps.png"


@pytest.mark.parametrize("with_model", [False, True])
def test_the_embedding_writes_its_page(
    make_request: MakeRequest, tmp_path: Path, trained: Path, *, with_model: bool
) -> None:
    result, page = reproduce(make_request("figure2", tmp_path, model=trained if with_model else None))
    check_page(result, page)
    assert any("has its label" in fact or "have its label" in fact for fact in result.facts) or result.facts
    assert "perplexity 19.6667" in result.figures[0].caption


def test_a_plan_counts_steps_and_finished_runs(make_request: MakeRequest, ablated: tuple[Result, Path]) -> None:
    planned = {run.name: run for run in plan(make_request("ablations", ablated[1].parent, "paper", "mean", "two_maps"))}
    assert (planned["paper"].done, planned["mean"].done, planned["two_maps"].done) == (2, 2, 0)
    assert planned["paper"].minutes == planned["mean"].minutes == 0
    assert planned["two_maps"].minutes > 0
    assert planned["two_maps"].steps == 60 * 0.5 * 0.85 // 8


def test_an_experiment_needs_cells() -> None:
    with pytest.raises(LymphoscopeError, match="table1 needs cells"):
        reproduce(Request("table1", None, Path("nowhere")))


def test_the_command_prints_the_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["reproduce", "table3", "--counts-only", "--only", "resnet18_with", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["ours"]["parameters_exact"]["value"] == 11_225_730
    command = ["reproduce", "table3", "--counts-only", "--only", "resnet18_with", "--out", str(tmp_path)]
    assert run(command) == 0
    assert "11,225,730" in capsys.readouterr().out
    assert "11,225,730" in (tmp_path / "table3_counts.html").read_text()


def test_the_command_exits_with_3_if_a_run_failed(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path
) -> None:
    command = ["--data", str(tiny_folder), "--out", str(tmp_path / "out"), "--subject-pattern", r"(S\d+)_"]
    limits = ["--limit-cells", "40", "--limit-epochs", "1", "--backbone", "inception_v1", "--only", "offline_imagenet"]
    assert run(["reproduce", "table2", *command, *limits]) == 3
    printed = capsys.readouterr().out
    assert "failed: Phase-I -> Phase-II, ImageNet weights" in printed
    page = (tmp_path / "out" / "table2.html").read_text()
    assert "1 of 1 runs failed" in page
    assert run(["reproduce", "table2", *command, *limits, "--json"]) == 3


def test_the_command_plans_and_writes_the_ledger(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    keys = [argument for key in tiny for argument in ("--set", key)]
    command = ["reproduce", "split", "--data", str(tiny_folder), "--subject-pattern", r"(S\d+)_", "--dry-run", *keys]
    assert run(command) == 0
    assert "5 trainings, 3 epochs" in capsys.readouterr().out
    assert run([*command, "--json"]) == 0
    assert [entry["trainings"] for entry in json.loads(capsys.readouterr().out)] == [5, 5]
    assert run(["reproduce", "ledger", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "reproduction.md").is_file()
    assert run(["reproduce", "ledger", "--out", str(tmp_path / "no")]) == 2
