"""`lymphoscope smear`: a results folder, a count in words, and errors in one line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.synthetic import SmearSettings, synthesize_smear


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smear")
    synthesize_smear(folder, SmearSettings(fields=1, width=640, height=480, white_cells=5, touching_pairs=0))
    return folder / "fields"


@pytest.mark.slow
def test_the_count_is_printed_in_words(fields: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["smear", "blast", str(fields), "--mpp", "0.14", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "1 field, " in out
    assert "Differential of 5 white cells" in out
    assert "unidentified" in out
    assert "not a medical device" in out
    assert (tmp_path / "out/report.html").is_file()


@pytest.mark.slow
def test_json_is_the_differential(fields: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["smear", str(fields), "--mpp", "0.14", "--target", "3", "--json", "--out", str(tmp_path / "out")]
    assert run(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out/differential.json").read_text())
    assert printed["counts"][0]["white_cells"] == 3


@pytest.mark.slow
def test_a_broken_field_gives_status_3_and_its_reason(
    fields: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = [
        "smear",
        "blast",
        str(tmp_path / "broken.png"),
        str(fields),
        "--mpp",
        "0.14",
        "--out",
        str(tmp_path / "out"),
    ]
    assert run(words) == 3
    assert "broken.png: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["blast"], "add the fields"),
        (["nowhere"], "does not exist"),
        (["FIELD", "--target", "many"], "--target many: give 100"),
        (["FIELD", "FIELD"], "is given twice"),
        (["FIELD", "--detector", "none-such"], "none-such"),
        (["BLANK"], "Give the microns per pixel with --mpp"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_fault_of_the_user_is_one_line(
    words: list[str], message: str, fields: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (400, 300), (250, 245, 230)).save(tmp_path / "blank.png")
    places = {"FIELD": str(fields / "field-0001.png"), "BLANK": str(tmp_path / "blank.png")}
    assert run(["smear", *(places.get(word, word) for word in words), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("lymphoscope: error: ")
    assert message in error
