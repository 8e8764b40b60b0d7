from pathlib import Path

import pytest

from lymphoscope.data import read_source, write_manifest
from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.sources.registry import get_source, source_help, source_names
from lymphoscope.errors import LymphoscopeError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def places(tmp_path: Path) -> Path:
    touch(tmp_path / "folders" / "a" / "1.png")
    touch(tmp_path / "cnmc" / "any" / "UID_H3_1_1_hem.png")
    (tmp_path / "table.csv").write_text("path\nx.png\n")
    synthetic = manifest_of([{"path": str(tmp_path / "made" / "1.png")}], "synthetic")
    write_manifest(synthetic, tmp_path / "made" / "manifest.csv")
    touch(tmp_path / "made" / "synthetic.json")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("{}/folders", "folders"),
        ("{}/cnmc", "cnmc"),
        ("{}/table.csv", "table"),
        ("{}/made", "synthetic"),
        ("{}/made/manifest.csv", "synthetic"),
        ("cnmc:{}/folders", "cnmc"),
        ("folders:{}/cnmc", "folders"),
        ("table:{}/table.csv", "table"),
    ],
)
def test_source_is_detected_or_named(places: Path, where: str, source: str) -> None:
    manifest = read_source(where.format(places))
    assert manifest.source == source
    assert len(manifest) == 1
    assert Path(manifest.table["path"][0]).is_absolute()


def test_relative_paths_become_absolute(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places / "cnmc")
    assert read_source("../folders").table["path"].tolist() == [str(places / "folders" / "a" / "1.png")]


@pytest.mark.parametrize(
    ("where", "pattern", "says"),
    [
        ("{}/nowhere", None, "no such file or folder"),
        ("cmnc:{}/cnmc", None, "no such file or folder.* NAME:PATH .*cnmc"),
        ("{}/empty", None, "contains no images"),
        ("cnmc:{}/empty", None, "contains no images"),
        ("table:{}/folders", None, "source table reads a file"),
        ("folders:{}/table.csv", None, "source folders reads a folder"),
        ("{}/cnmc", "(H3)", "a subject pattern is for folders"),
    ],
)
def test_invalid_source_is_refused_in_one_line(places: Path, where: str, pattern: str | None, says: str) -> None:
    with pytest.raises(LymphoscopeError, match=says) as caught:
        read_source(where.format(places), subject_pattern=pattern)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", source_names())
def test_every_source_is_named_like_its_module_and_described(name: str) -> None:
    found = get_source(name)
    assert found.name == name
    assert found.title
    assert found.reads in ("file", "folder")
    assert name in source_help()


def test_detection_prefers_the_most_specific_source() -> None:
    order = sorted((get_source(name) for name in source_names()), key=lambda each: -each.priority)
    assert order[-1].name == "folders"


def test_error_names_the_sources_that_take_a_pattern(places: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"a subject pattern is for folders, but .* is read as table"):
        read_source(f"table:{places}/table.csv", subject_pattern="(x)")
