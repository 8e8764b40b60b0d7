"""The house rules that no other check covers: imports, names, descriptions, lengths, and what no file may contain."""

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
from typing import Any, get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel
from typer.main import get_command

import lymphoscope
from lymphoscope.backbones import list_backbones
from lymphoscope.cli.main import app
from lymphoscope.data.sources import source_names
from lymphoscope.data.stains import NO_STAIN_METHOD, stain_method_names
from lymphoscope.evaluation import METRICS
from lymphoscope.experiments.definition import experiment_names
from lymphoscope.inference.backends import runtimes
from lymphoscope.referral import REASONS
from lymphoscope.reports.registry import report_sections
from lymphoscope.robustness import CORRUPTIONS

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
    "smear.detection.center",
)
LONGEST_FILE = 350
LONGEST_OF_NINE_IN_TEN = 35
LARGEST_FILE = 15 * 1024**2

SHARED_BASENAMES = {
    "attention.py": "twins in torch and NumPy",
    "voting.py": "twins in torch and NumPy",
    "orientations.py": "twins in torch and NumPy, for predictions; in data/similarity/ for hashes",
    "ternary.py": "the three streams, of the network in training and of a runtime in prediction",
    "registry.py": "the registry of its folder",
    "settings.py": "the settings of its folder",
    "images.py": "data/ reads images, synthetic/ draws them, review/ serves them",
    "table.py": "the source of that name, and the table of an experiment",
    "tables.py": "data/ reads table files, review/ defines the tables of its database",
    "audit.py": "data/ audits cells, review/ keeps the audit chain",
    "results.py": "runs/ writes the results of a run, review/ reads them",
    "schema.py": "the pydantic types of metrics.json, and those of requests",
    "errors.py": "the exception of the package; in reports/sections/ the section on errors",
    "geojson.py": "smear/ writes the cells that it found, review/ those that people confirmed",
    "quality.py": "data/ measures the image of a cell, smear/ a tile of a field",
}
"""Basename -> why several modules have it. Commands and report sections are named after what they run and show."""
_NAMED_AFTER_WHAT_THEY_SHOW = (Path("cli"), Path("reports/sections"), Path("smear/report/sections"))

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


@pytest.mark.slow
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
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert json.loads(answer.stdout) == {}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_functions_are_short() -> None:
    lengths = sorted(body_lines(function) for path in SOURCE.rglob("*.py") for function in functions(path))
    assert statistics.median(lengths) <= 10
    assert lengths[len(lengths) * 9 // 10] < LONGEST_OF_NINE_IN_TEN


RUNS_CODE_OF_OTHERS = SOURCE / "inference" / "remote.py"
"""Calls the packages of object stores, whose errors have no common class, and makes each an OSError."""


def test_no_except_clause_catches_everything() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {""}
                allowed = path == RUNS_CODE_OF_OTHERS and caught == {"Exception"}
                assert allowed or caught.isdisjoint({"", "Exception", "BaseException"}), f"{path}:{node.lineno}"


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


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def exported_names() -> dict[tuple[str, str], str]:
    """(package, public name) -> the module that the package's face takes it from."""
    found = {}
    for stub in SOURCE.rglob("__init__.pyi"):
        package = ".".join(stub.parent.relative_to(SOURCE.parent).parts)
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                found |= {(package, alias.asname or alias.name): f"{package}.{node.module}" for alias in node.names}
    return found


def import_graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports anywhere, also for types only; names of a face count as their module's."""
    paths = {module_of(path): path for path in SOURCE.rglob("*.py")}
    exported = exported_names()

    def resolve(module: str, name: str) -> str:
        while (module, name) in exported:
            module = exported[module, name]
        return f"{module}.{name}" if f"{module}.{name}" in paths else module

    graph: dict[str, set[str]] = {}
    for importer, path in paths.items():
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = [node for node in nodes if isinstance(node, ast.ImportFrom) and not node.level and node.module]
        imported = {resolve(node.module or "", alias.name) for node in names for alias in node.names}
        imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        graph[importer] = (imported & paths.keys()) - {importer}
    return graph


def test_modules_do_not_import_in_a_circle() -> None:
    graph = import_graph()
    assert len(graph) > 200
    while leaves := {module for module, imported in graph.items() if not imported}:
        graph = {module: imported - leaves for module, imported in graph.items() if module not in leaves}
    assert graph == {}, "only modules of circles, and what imports them, are left"


def test_no_function_has_the_name_of_its_module() -> None:
    named = [
        module_of(path)
        for path in SOURCE.rglob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == path.stem
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    ]
    assert named == ["lymphoscope.cli.main"]  # the entry point


def test_modules_share_a_name_only_for_a_reason() -> None:
    paths = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name not in ("__init__.py", "env.py")]
    own = [path for path in paths if path.parent not in _NAMED_AFTER_WHAT_THEY_SHOW]
    shared = {path.name for path in own if sum(other.name == path.name for other in own) > 1}
    assert shared <= set(SHARED_BASENAMES), "rename one of them, or add the reason to SHARED_BASENAMES"
    assert {name for name in SHARED_BASENAMES if sum(path.name == name for path in paths) < 2} == set()


def models_of(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("lymphoscope."):
            yield model
        yield from models_of(model)


def is_section(annotation: Any) -> bool:
    types = get_args(annotation) or (annotation,)
    return any(isinstance(one, type) and issubclass(one, BaseModel) and one.__doc__ for one in types)


def test_every_field_of_a_schema_has_a_description() -> None:
    for name in MODULES:
        importlib.import_module(name)
    undescribed = [
        f"{model.__module__}.{model.__name__}.{name}"
        for model in set(models_of(BaseModel))
        for name, field in model.model_fields.items()
        if not (field.description or field.exclude or is_section(field.annotation))
    ]
    assert undescribed == []


def commands_of(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_and_option_has_a_description() -> None:
    commands = dict(commands_of(get_command(app), "lymphoscope"))
    assert len(commands) > 10
    assert [path for path, command in commands.items() if not command.help] == []
    bare = [(path, each.name) for path, command in commands.items() for each in command.params if not each.help]
    assert bare == []


def registries() -> dict[str, list[str]]:
    return {
        "sources": list(source_names()),
        "stains": [name for name in stain_method_names() if name != NO_STAIN_METHOD],
        "runtimes": [runtime.name for runtime in runtimes()],
        "metrics": list(METRICS),
        "referral reasons": [reason.name for reason in REASONS],
        "corruptions": list(CORRUPTIONS),
        "report sections": [section.anchor for section in report_sections()],
        "experiments": experiment_names(),
        "backbones": list(list_backbones()),
    }


@pytest.mark.parametrize("registry", registries())
def test_every_entry_of_a_registry_is_documented(registry: str) -> None:
    pages = [
        (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8") for name in ("names", "backbones")
    ]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", "\n".join(pages), re.MULTILINE))
    assert [name for name in registries()[registry] if len(rows.get(name, "")) < 3] == []


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


@pytest.mark.slow
def test_every_import_is_of_a_declared_dependency() -> None:
    declared, distributions = set(declared_dependencies()), packages_distributions()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"lymphoscope"}:
                from_packages = {canonicalize_name(name) for name in distributions.get(top, [])}
                assert from_packages & declared, f"{path.name} imports {top}"
