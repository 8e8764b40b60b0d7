"""The house rules that no other check holds: imports, public names, lengths, and what must not stand in a file."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lymphoscope

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "lymphoscope"
FOLDERS = sorted(path.parent for path in SOURCE.glob("**/*/__init__.py"))
MODULES = sorted(module.name for module in pkgutil.walk_packages(lymphoscope.__path__, "lymphoscope."))

TORCH = ("torch", "torchvision", "timm", "lightning", "pytorch_lightning")
MAY_IMPORT_TORCH = (
    "method",
    "backbones",
    "augment",
    "training",
    "inference.backends.torch_network",
    "robustness.saliency_model",
    "export.graphs",
)
LONGEST_FILE = 350
LONGEST_OF_NINE_IN_TEN = 35
LARGEST_FILE = 15 * 1024**2

# In pieces, so that this file does not hold what it looks for.
UNWANTED = re.compile(
    "|".join(
        re.escape("".join(pieces))
        for pieces in [
            ("py", "pi.org"),
            ("python", "hosted.org"),
            ("download.", "pytorch.org"),
            ("npm", "js.org"),
            ("anaconda", ".org"),
            ("deb.", "debian.org"),
            ("/work", "/"),
            ("/root", "/"),
            ("/home", "/"),
            ("/Users", "/"),
        ]
    )
)


def dotted(folder: Path) -> str:
    return ".".join(folder.relative_to(SOURCE.parent).parts)


def shipped_files() -> Iterator[Path]:
    for folder in ("src", "tests", "tests_plain", "docs", "configs", "benchmarks", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    for pattern in ("*.md", "*.toml", "*.cff", "Makefile", "LICENSE", ".gitignore"):
        yield from sorted(ROOT.glob(pattern))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def imported_names(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name not in ("__getattr__", "__dir__")
    if isinstance(node, ast.Assign):
        return not {target.id for target in ast.walk(node) if isinstance(target, ast.Name)} >= {
            "__getattr__",
            "__all__",
        }
    return not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr | ast.If)


@pytest.mark.parametrize("folder", FOLDERS, ids=dotted)
def test_package_faces_list_public_names_and_define_nothing(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    stub = folder / "__init__.pyi"
    names = imported_names(ast.parse(stub.read_text(encoding="utf-8"))) if stub.exists() else set()
    module = importlib.import_module(dotted(folder))
    listed = getattr(module, "__all__", [])
    assert [node.lineno for node in tree.body if defines(node)] == []
    assert ast.get_docstring(tree) not in (None, "...")
    assert names == set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("folder", FOLDERS, ids=dotted)
def test_every_public_name_exists_and_has_a_docstring(folder: Path) -> None:
    module = importlib.import_module(dotted(folder))
    for name in getattr(module, "__all__", []):
        public = getattr(module, name)
        assert not (inspect.isclass(public) or inspect.isfunction(public)) or public.__doc__, name


def test_the_package_offers_what_it_lists() -> None:
    assert set(lymphoscope.__all__) <= set(dir(lymphoscope))
    for name in lymphoscope.__all__:
        assert getattr(lymphoscope, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lymphoscope.no_such_name


def test_torch_is_imported_only_by_modules_that_compute() -> None:
    light = [name for name in MODULES if not name.removeprefix("lymphoscope.").startswith(MAY_IMPORT_TORCH)]
    code = f"""
import importlib, json, sys
bringers = dict()
for name in {light}:
    importlib.import_module(name)
    for heavy in {TORCH}:
        if heavy in sys.modules:
            bringers.setdefault(heavy, name)
print(json.dumps(bringers))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(answer.stdout) == {}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_functions_are_short() -> None:
    lengths = sorted(body_lines(function) for path in SOURCE.rglob("*.py") for function in functions(path))
    assert statistics.median(lengths) <= 10
    assert lengths[len(lengths) * 9 // 10] < LONGEST_OF_NINE_IN_TEN


def test_no_except_clause_catches_everything() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
                assert caught.isdisjoint({"", "Exception", "BaseException"}), f"{path}:{node.lineno}"


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = []
    for path in shipped_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in UNWANTED.finditer(text)]
    assert found == []


def test_no_file_is_large() -> None:
    assert [path.name for path in shipped_files() if path.stat().st_size > LARGEST_FILE] == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "src/lymphoscope/model_file/blast/README.md"])
def test_pages_state_that_this_is_not_a_medical_device(page: str) -> None:
    assert "not a medical device" in " ".join((ROOT / page).read_text(encoding="utf-8").split()).lower()


def declared_dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    return sorted(
        {canonicalize_name(Requirement(line).name) for line in project["dependencies"] + extras} - {"lymphoscope"}
    )


def with_what_they_need(names: list[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        try:
            needs = [Requirement(line) for line in requires(name) or []] if name not in seen else []
        except PackageNotFoundError:  # of another platform
            continue
        seen.add(name)
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return seen


def test_no_dependency_is_agpl_or_non_commercial() -> None:
    refused = re.compile(r"\bAGPL|Affero|non-?commercial|BY-NC", re.IGNORECASE)
    names = with_what_they_need(declared_dependencies())
    assert {"torch", "numpy"} < names
    for name in names:
        about = metadata(name)
        # the first line alone: some packages put whole licence texts of what they bundle into the field
        stated = about.get("License", "").partition("\n")[0]
        licence = [stated, about.get("License-Expression", ""), *about.get_all("Classifier", [])]
        assert not refused.search(" ".join(licence)), name


def test_every_dependency_is_listed_in_third_party() -> None:
    page = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    listed = {canonicalize_name(name) for name in re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE)}
    assert set(declared_dependencies()) <= listed


def test_every_import_is_of_a_declared_dependency() -> None:
    declared, distributions = set(declared_dependencies()), packages_distributions()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"lymphoscope"}:
                from_packages = {canonicalize_name(name) for name in distributions.get(top, [])}
                assert from_packages & declared, f"{path.name} imports {top}"
