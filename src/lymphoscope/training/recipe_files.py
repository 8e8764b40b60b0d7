"""YAML and `--set a.b=c` -> a recipe, with a line to act on for every wrong word."""

import difflib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.training.recipe import Recipe

_PRESETS = resources.files("lymphoscope.training") / "presets"


def preset_names() -> list[str]:
    """The recipes that ship, by name."""
    return sorted(item.name.removesuffix(".yaml") for item in _PRESETS.iterdir() if item.name.endswith(".yaml"))


def load_recipe(config: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a preset by name or a YAML file by path, apply `a.b=c` overrides in order, and validate.

    Raises LymphoscopeError, one line, for an unknown preset, broken YAML, an unknown key or a value out of range.
    """
    tree = _read(config)
    for override in overrides:
        _assign(tree, override)
    return parse_recipe(tree, config)


def parse_recipe(tree: Mapping[str, Any], where: str) -> Recipe:
    """Validate a recipe; `where` names it in the error line."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        if first["type"] == "extra_forbidden":
            raise LymphoscopeError(f"{where}: unknown key `{'.'.join(path)}`{_nearest(path)}") from error
        at = f"`{'.'.join(path)}`: " if path else ""
        raise LymphoscopeError(f"{where}: {at}{first['msg']} (given: {first['input']!r:.60})") from error


def recipe_yaml(recipe: Recipe) -> str:
    """All of a recipe, resolved, as YAML that `load_recipe` reads back to the same recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read(config: str) -> dict[str, Any]:
    if config in preset_names():
        text = (_PRESETS / f"{config}.yaml").read_text(encoding="utf-8")
    elif Path(config).is_file():
        text = Path(config).read_text(encoding="utf-8")
    else:
        raise LymphoscopeError(f"no recipe {config!r}: give a YAML file or one of {', '.join(preset_names())}")
    return _parse_yaml(text, config)


def _parse_yaml(text: str, where: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LymphoscopeError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise LymphoscopeError(f"{where} holds no keys: write them as `key: value`")
    return tree


def _assign(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise LymphoscopeError(f"--set {override}: write it as --set section.key=value")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise LymphoscopeError(f"--set {override}: `{section}` is a value, not a section")
    try:
        tree[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise LymphoscopeError(f"--set {override}: the value is not YAML") from error


def _nearest(path: list[str]) -> str:
    known = list(_keys(Recipe))
    # Of the same name in another section first: `epochs` is nearer to `optimisation.epochs` than its letters say.
    close = [key for key in known if key.split(".")[-1] == path[-1]][:1]
    close = close or difflib.get_close_matches(".".join(path), known, n=1, cutoff=0.5)
    return f": did you mean `{close[0]}`?" if close else ": see docs/reference/recipe.md for the keys of a recipe"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
