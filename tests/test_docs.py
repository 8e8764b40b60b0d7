"""The pages say what the code does: tables as generated, links that lead somewhere, commands and keys that exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from lymphoscope.cli.main import app
from lymphoscope.training import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "THIRD_PARTY.md", *sorted((ROOT / "docs").glob("**/*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
LINES = sorted(set(re.findall(r"^(lymphoscope [-a-z].*?)(?: *#.*)?$", TEXT.replace("\\\n", " "), re.MULTILINE)))


def reference_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_tables", ROOT / "docs" / "reference_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_tables_of_the_reference_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert reference_tables().written(page) == page, "run: python docs/reference_tables.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, part = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if part:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(anchor, headings), target


@pytest.mark.parametrize("line", LINES)
def test_a_command_in_the_pages_takes_the_words_it_is_shown_with(line: str) -> None:
    command, words = get_command(app), line.split()[1:]
    while hasattr(command, "commands") and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize("override", sorted(set(re.findall(r"--set ([a-z][\w.]*=[^\s`]+)", TEXT))))
def test_overrides_in_the_pages_are_keys_of_the_recipe(override: str) -> None:
    load_recipe("quick", [override])
