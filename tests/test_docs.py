"""The documentation matches the code: generated tables are current, links work, commands, options and keys exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from lymphoscope.cli.main import app
from lymphoscope.training import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "THIRD_PARTY.md")]
PAGES += sorted((ROOT / "docs").glob("**/*.md"))
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


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "reference").glob("*.md")), ids=lambda path: path.stem)
def test_generated_tables_of_the_reference_are_current(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert reference_tables().generate(page) == page, "run: python docs/reference_tables.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_point_to_existing_pages_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, part = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if part:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(anchor, headings), target


DEFAULT_SUBCOMMANDS = {"review": "serve", "smear": "count"}
"""Groups whose first argument may be a file: the subcommand that then runs."""


@pytest.mark.parametrize("line", LINES)
def test_commands_in_the_docs_exist_with_their_options(line: str) -> None:
    command, arguments = get_command(app), line.split()[1:]
    while hasattr(command, "commands") and not arguments[0].startswith("-"):
        known = arguments[0] in command.commands
        command = command.commands[arguments.pop(0) if known else DEFAULT_SUBCOMMANDS[command.name]]
    spellings = [(*parameter.opts, *parameter.secondary_opts) for parameter in command.params]
    options = {option for of_one in spellings for option in of_one} | {"--help", "--"}
    assert {argument for argument in arguments if argument.startswith("-")} <= options


@pytest.mark.parametrize("override", sorted(set(re.findall(r"--set ([a-z][\w.]*=[^\s`]+)", TEXT))))
def test_overrides_in_the_docs_are_keys_of_the_recipe(override: str) -> None:
    load_recipe("quick", [override])
