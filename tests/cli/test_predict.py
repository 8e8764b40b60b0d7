import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.evaluation import read_predictions
from lymphoscope.inference.sinks import FileSink
from lymphoscope.model_file import (
    Architecture,
    Description,
    Preprocessing,
    build_network,
    resolve_model,
    save_model,
)
from lymphoscope.vocabulary import prediction_columns

READABLE = {"cmyk.jpg", "grey.png", "rgba.png", "sixteen.tiff"}
BAD = {
    "text.png": "not an image",
    "truncated.bmp": "truncated",
    "one.png": "1x1",
    "empty.png": "empty",
    "bomb.png": "bomb",
}
BOMB_SIDE = 30_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model, untrained."""
    folder = tmp_path_factory.mktemp("model")
    architecture = Architecture(backbone="test_resnet", num_maps=4)
    description = Description(
        name="tiny",
        architecture=architecture,
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(
            crop_mode="center_crop", crop=64, size=64, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)
        ),
    )
    save_model(build_network(architecture, 2).eval(), description, folder)
    return folder


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nine files of all kinds."""
    folder = tmp_path_factory.mktemp("nine")
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 4), dtype=np.uint8)
    rgb = Image.fromarray(np.ascontiguousarray(noise[..., :3]))
    (folder / "text.png").write_text("a note, not a picture\n", encoding="utf-8")
    rgb.save(folder / "truncated.bmp")
    whole = (folder / "truncated.bmp").read_bytes()
    (folder / "truncated.bmp").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.tiff")
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.convert("L").save(folder / "grey.png")
    Image.fromarray(noise).save(folder / "rgba.png")
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    (folder / "empty.png").touch()
    (folder / "bomb.png").write_bytes(bomb(BOMB_SIDE))
    return folder


def bomb(side: int) -> bytes:
    """A PNG of side x side black pixels, one bit each, in a thousandth of their bytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


IN_A_PROCESS = """
import sys
from pathlib import Path
from lymphoscope.cli.main import run

def peak():  # not ru_maxrss, which counts what the parent held, too
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

model, cell, nine, out = sys.argv[1:]
assert run(["predict", model, cell, "--out", out + "/one.csv"]) == 0
before = peak()
status = run(["predict", model, nine, "--out", out + "/nine.csv"])
print(status, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
@pytest.mark.timing
def test_nine_files_give_nine_rows_in_bounded_memory(model: Path, nine: Path, tmp_path: Path) -> None:
    arguments = [str(model), str(nine / "grey.png"), str(nine), str(tmp_path)]
    answer = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, *arguments], capture_output=True, text=True, timeout=600
    )
    assert answer.stderr.splitlines()[-1] == f"9 cells, 5 failed; wrote {tmp_path / 'nine.csv'}", answer.stderr
    status, grown = map(int, answer.stdout.split())
    assert status == 3
    table = read_predictions(tmp_path / "nine.csv")
    names = table["path"].map(lambda path: Path(path).name)
    assert names.tolist() == sorted(READABLE | set(BAD))
    assert set(names[table["predicted"].notna()]) == READABLE
    for name, reason in BAD.items():
        row = table[names == name].iloc[0]
        assert reason in row["error"]
        assert (row["refer"], row["refer_reason"]) == (True, "unreadable")
    assert grown < 40 * 1024  # kB; the bomb alone would be 112 MB of bits, 900 MB of bytes


def test_without_out_a_table_is_printed(
    model: Path, nine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nine)
    assert run(["predict", str(model), "grey.png", "empty.png"]) == 3
    captured = capsys.readouterr()
    heading, grey, empty = captured.out.splitlines()
    assert heading.split() == ["path", "predicted", "score", "agreement", "refer", "error"]
    assert grey.split()[0] == "grey.png"
    assert grey.split()[1] in ("all", "hem")
    assert empty.split(maxsplit=2) == ["empty.png", "unreadable", "empty file"]
    assert captured.err.splitlines()[-1] == "2 cells, 1 failed"


def test_json_has_all_columns(model: Path, nine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--model", str(model), str(nine / "grey.png"), str(nine / "one.png"), "--json"]) == 3
    grey, one = json.loads(capsys.readouterr().out)
    assert list(grey) == list(one) == [*prediction_columns(["all", "hem"]), "model_id"]
    assert grey["score_all"] + grey["score_hem"] == pytest.approx(1)
    assert grey["error"] is None
    assert one["predicted"] is None
    assert one["refer"] is True


def test_json_with_out_names_the_file_and_the_counts(
    model: Path, nine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.parquet"
    assert run(["predict", str(model), str(nine / "grey.png"), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 1, "failed": 0, "out": str(out), "not_read": {}}


def test_columns_of_a_manifest_are_copied_to_the_predictions(model: Path, nine: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": [str(nine / "rgba.png"), "gone.png"], "label": "hem", "subject": ["7", "007"]})
    table.to_csv(tmp_path / "cells.csv", index=False)
    out = tmp_path / "out.csv"
    assert run(["predict", str(model), str(tmp_path / "cells.csv"), "--out", str(out)]) == 3
    written = read_predictions(out)
    assert written["subject"].tolist() == ["7", "007"]
    assert written["label"].tolist() == ["hem", "hem"]
    assert written["error"].notna().tolist() == [False, True]


def test_predict_never_overwrites_its_manifest(
    model: Path, nine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "cells.csv"
    manifest.write_text(f"path\n{nine / 'grey.png'}\n", encoding="utf-8")
    assert run(["predict", str(model), str(manifest), "--out", str(manifest)]) == 2
    assert "would overwrite" in only_line(capsys)
    assert manifest.read_text(encoding="utf-8").startswith("path\n")


def test_batch_size_auto_measures_the_batch_size(model: Path, nine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(model), str(nine / "grey.png"), "--batch-size", "auto"]) == 0
    assert capsys.readouterr().err.splitlines()[0] in {f"batch size: {size}" for size in (8, 16, 32, 64)}


def test_skipping_the_erase_stream_changes_no_label(model: Path, nine: Path, tmp_path: Path) -> None:
    tables = {}
    for erase in ("always", "on_disagreement"):
        out = tmp_path / f"{erase}.csv"
        run(["predict", str(model), str(nine), "--out", str(out), "--erase", erase])
        tables[erase] = read_predictions(out)
    assert tables["always"]["predicted"].equals(tables["on_disagreement"]["predicted"])
    assert tables["on_disagreement"]["erase_vote"].isna().sum() > tables["always"]["erase_vote"].isna().sum()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["MODEL"], "is a model folder: add the images"),
        (["MODEL", "gone.png"], "gone.png does not exist"),
        (["MODEL", "NOTHING"], "contains no images"),
        (["MODEL", "CELL", "--out", "out.xlsx"], ".csv or .parquet"),
        (["MODEL", "CELL", "--device", "tpu"], "no device 'tpu'"),
        (["MODEL", "CELL", "--runtime", "abacus"], "no runtime 'abacus'"),
        (["MODEL", "CELL", "--precision", "16"], "precision"),
        (["MODEL", "CELL", "--batch-size", "many"], "a whole number from 1, or auto"),
        (["MODEL", "CELL", "--runtime", "onnx"], "holds no float32 network for onnx"),
        (["--model", "NOTHING", "CELL"], "is not a model"),
        (["NEWER", "CELL"], "format 99"),
        (["HALF", "CELL"], "has no model.json"),
        ([], "Missing argument"),
    ],
)
def test_invalid_arguments_are_one_line(
    model: Path, nine: Path, tmp_path: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"MODEL": model, "CELL": nine / "grey.png"}
    places |= {name: tmp_path / name.lower() for name in ("NOTHING", "NEWER", "HALF")}
    for name in ("NOTHING", "HALF"):
        places[name].mkdir()
    shutil.copy(model / "weights.safetensors", places["HALF"])
    shutil.copytree(model, places["NEWER"])
    newer = json.loads((model / "model.json").read_text(encoding="utf-8")) | {"format_version": 99}
    (places["NEWER"] / "model.json").write_text(json.dumps(newer), encoding="utf-8")
    assert run(["predict", *(str(places.get(word, word)) for word in arguments)]) == 2
    assert line in only_line(capsys)


def test_a_full_disk_is_a_one_line_error(
    model: Path, nine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.csv")

    monkeypatch.setattr(FileSink, "write", full)
    assert run(["predict", str(model), str(nine / "grey.png"), "--out", str(tmp_path / "out.csv")]) == 2
    assert "no space left" in only_line(capsys)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.skipif(not (resolve_model(None) / "model.json").is_file(), reason="needs the model that ships")
def test_the_default_model_prints_its_first_limit(nine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(nine / "grey.png")]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("No model given: using the ")
    assert captured.out.startswith("grey.png: ") or "grey.png: " in captured.out


def test_what_is_not_read_is_on_the_terminal_and_in_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)).save(folder / "a.png")
    for name in ("1.zip", "2.svs", "3.svs", "note"):
        (folder / name).touch()
    assert run(["predict", str(model), str(folder), "--out", str(tmp_path / "p.csv"), "--json"]) == 0
    shown = capsys.readouterr()
    assert "not read: 2 .svs, 1 .zip, 1 without an image header" in shown.err.splitlines()
    assert json.loads(shown.out)["not_read"] == {".svs": 2, ".zip": 1, "without an image header": 1}
    assert run(["explain", str(model), str(folder), "--out", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_read"] == {".svs": 2, ".zip": 1, "without an image header": 1}
