"""Write the tables of reference.md that follow from the code: `python docs/reference_tables.py`.

What stands between `<!-- NAME: written by reference_tables.py -->` and `<!-- end -->` is replaced.
"""

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import BaseModel
from typer.main import get_command

from lymphoscope.backbones import count_parameters, create_backbone, list_backbones
from lymphoscope.cli.main import app
from lymphoscope.evaluation import Metrics
from lymphoscope.method import WTDFN, PlainNetwork
from lymphoscope.model_file import Description
from lymphoscope.training import Recipe

PAGE = Path(__file__).with_name("reference.md")
BLOCK = re.compile(r"(<!-- (\w+): written by reference_tables.py -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """The page with its tables as the code has them now. Raises KeyError for a block of an unknown name."""
    tables = {
        "commands": commands,
        "metrics": metrics,
        "recipe": recipe,
        "model": model_file,
        "backbones": backbones,
    }
    return BLOCK.sub(lambda block: block[1] + tables[block[2]]() + block[3], page)


def commands() -> str:
    """A section for each command: what it does, its words, their defaults."""
    return "".join(_commands(get_command(app), "lymphoscope"))


def recipe() -> str:
    """A table for each section of the recipe."""
    return "".join(_sections(Recipe, ""))


def metrics() -> str:
    """A table for each section of metrics.json, in the order in which they are named."""
    schema = Metrics.model_json_schema(mode="serialization")
    sections = {"The whole": schema, **{name: schema["$defs"][name] for name in _named_in(schema)}}
    return "".join(_metrics_section(name, section) for name, section in sections.items())


def model_file() -> str:
    """A table for each part of `model.json`."""
    return "".join(_sections(Description, ""))


def backbones() -> str:
    """The paper's backbones, and their parameters with two classes."""
    with torch.device("meta"):
        made = {name: create_backbone(name) for name in list_backbones()}
        counts = {
            name: (count_parameters(PlainNetwork(body, 2)), count_parameters(WTDFN(body, 2)))
            for name, body in made.items()
        }
    rows = [
        (f"`{name}`", title, f"{counts[name][0]:,}", f"{counts[name][1]:,}") for name, title in list_backbones().items()
    ]
    return "\n" + _table(("name", "in the paper", "parameters of the plain network", "of WT-DFN with 32 maps"), rows)


def _named_in(schema: dict[str, Any]) -> list[str]:
    """The names of the sections, as the whole and then each of them refers to them."""
    found: list[str] = []
    waiting = [schema["properties"]]
    while waiting:
        for name in re.findall(r"#/\$defs/(\w+)", str(waiting.pop(0))):
            if name not in found:
                found.append(name)
                waiting.append(schema["$defs"][name]["properties"])
    return found


def _metrics_section(name: str, section: dict[str, Any]) -> str:
    rows = [(f"`{key}`", _linked(value)) for key, value in section["properties"].items()]
    return f"\n### metrics.json: {name}\n\n{_prose(section.get('description', ''))}\n\n{_table(('key', 'holds'), rows)}"


def _linked(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#metricsjson-{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_linked(choice) for choice in value["anyOf"])
    if value.get("type") == "array" and "prefixItems" not in value:
        return f"list of: {_linked(value['items'])}"
    if value.get("type") == "object":
        return f"by name: {_linked(value['additionalProperties'])}"
    return _values(value)


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            rows = [_word(parameter) for parameter in command.params]
            yield f"\n### {path} {name}\n\n{_prose(command.help)}\n\n{_table(('word', 'meaning', 'default'), rows)}"


def _word(parameter: Any) -> tuple[str, str, str]:
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [parameter.metavar or parameter.name.upper()]
    value = f" {parameter.metavar}" if option and parameter.metavar else ""
    word = ", ".join(f"`{name}{value}`" for name in names)
    default = "required" if parameter.required else _shown(parameter.default)
    return word, _prose(getattr(parameter, "help", None) or ""), default


def _sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    schema = model.model_json_schema()
    inner = {key: _section_of(field.annotation) for key, field in model.model_fields.items()}
    plain = {key: _resolved(value, schema) for key, value in schema["properties"].items() if inner[key] is None}
    title = f"`{prefix.rstrip('.')}`" if prefix else "At the top"
    rows = [
        (f"`{prefix}{key}`", _values(value), "required" if "default" not in value else _shown(value["default"]))
        for key, value in plain.items()
    ]
    yield f"\n### {title}\n\n{_prose(inspect.getdoc(model) or '')}\n\n{_table(('key', 'value', 'default'), rows)}"
    for key, section in inner.items():
        if section is not None:
            yield from _sections(section, f"{prefix}{key}.")


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The model behind `Model` and `Model | None`."""
    kinds = get_args(annotation) or (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _resolved(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    return {**schema["$defs"][reference.rsplit("/", 1)[-1]], **value} if reference else value


def _values(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(_values(choice) for choice in value["anyOf"])
    if "enum" in value or "const" in value:
        return ", ".join(f"`{choice}`" for choice in value.get("enum", [value.get("const")]))
    if "prefixItems" in value:
        return f"{len(value['prefixItems'])} of: {_values(value['prefixItems'][0])}"
    if "$ref" in value:
        return f"see `{value['$ref'].rsplit('/', 1)[-1]}` in the Python documentation"
    if value.get("type") == "array":
        return f"list of: {_values(value['items'])}"
    return _kind(value) + _bounds(value)


def _kind(value: dict[str, Any]) -> str:
    kinds = {"number": "number", "integer": "whole number", "string": "text", "boolean": "`true`, `false`"}
    return {**kinds, "null": "empty", "object": "keys and values"}[value["type"]]


def _bounds(value: dict[str, Any]) -> str:
    signs = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = [f"{word} {value[key]:g}" for key, word in signs.items() if key in value]
    return f" {' '.join(said)}" if said else ""


def _shown(value: Any) -> str:
    if value is None or value is False or value == "" or value == {}:
        return "`false`" if value is False else ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, list | tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return f"`{str(value).lower() if value is True else value}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _prose(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
