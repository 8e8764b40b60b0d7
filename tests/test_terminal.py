"""Counts with their nouns; control characters of file names and labels reach the terminal as escapes only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from lymphoscope.terminal import counted, one_line, printable

MAIN = "from lymphoscope.cli.main import main; main()"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egpj\x9bm"


def test_a_count_has_its_noun_in_the_singular_or_the_plural() -> None:
    assert [counted(count, "cell") for count in (0, 1, 2000)] == ["0 cells", "1 cell", "2,000 cells"]


@given(st.text())
def test_printable_text_has_no_control_character_but_line_breaks_and_tabs(text: str) -> None:
    shown = printable(text)
    assert all(char in "\n\t" or not (ord(char) < 32 or 127 <= ord(char) < 160) for char in shown)
    assert "\n" not in one_line(text)


@given(st.text())
def test_json_means_the_same_after_escaping(text: str) -> None:
    assert json.loads(printable(json.dumps({"path": text}, ensure_ascii=False))) == {"path": text}


def test_ordinary_text_is_unchanged() -> None:
    text = "Zürich 細胞 😀, 5 µm\n\tß"
    assert printable(text) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["data", "audit", "folders:DIR"], ["data", "audit", "DIR", "--json"], ["predict", "DIR"], ["predict", "GONE"],
     ["predict", "DIR", "--json"], ["data", "split", "DIR", "--out", "OUT.csv"], ["GONE"]],
    ids=lambda words: "-".join(words),
)  # fmt: skip
def test_no_command_prints_a_control_character(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    for label in ("all", f"hem{HOSTILE}"):
        (folder / label).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(folder / label / "cell.png")
        (folder / label / f"{HOSTILE}.png").write_bytes(b"no image")
        (folder / label / f"two\nlines{HOSTILE}.png").write_bytes(b"no image")
    replaced = {"DIR": str(folder), "folders:DIR": f"folders:{folder}", "GONE": f"gone{HOSTILE}", "OUT.csv": "o.csv"}
    command = [sys.executable, "-c", MAIN, *(replaced.get(word, word) for word in words)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    shown = (done.stdout + done.stderr).decode("utf-8")
    assert not [char for char in HOSTILE if not char.isprintable() and char in shown]
    assert "Traceback" not in shown
    if "--json" in words:
        json.loads(done.stdout)
