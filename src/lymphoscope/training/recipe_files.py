"""Recipes from YAML files and `--set a.b=c`: every error is one line that names the key."""

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.training.recipe import Recipe

_MAX_BYTES = 1_000_000
_PRESETS = resources.files("lymphoscope.training") / "presets"


def preset_names() -> list[str]:
    """Return the names of the recipes that ship."""
    return sorted(item.name.removesuffix(".yaml") for item in _PRESETS.iterdir() if item.name.endswith(".yaml"))


def load_recipe(config: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a preset by name or a YAML file by path, apply the overrides `a.b=c` in order, and validate.

    Raises LymphoscopeError, one line, for an unknown preset, invalid YAML, an unknown key or an invalid value.
    """
    tree = _read(config)
    for override in overrides:
        _assign(tree, override)
    return parse_recipe(tree, config)


def parse_recipe(tree: Mapping[str, Any], source: str) -> Recipe:
    """Validate the keys and values of a recipe; `source` names it in the error."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        if first["type"] == "extra_forbidden":
            raise LymphoscopeError(f"{source}: unknown key `{'.'.join(path)}`{_nearest(path)}") from error
        key = f"`{'.'.join(path)}`: " if path else ""
        raise LymphoscopeError(f"{source}: {key}{first['msg']} (given: {first['input']!r:.60})") from error


def recipe_yaml(recipe: Recipe) -> str:
    """Return the whole recipe, all defaults included, as YAML from which `load_recipe` reads the same recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _TextLoader(yaml.SafeLoader):
    """YAML whose plain values stay as they were typed, except `null` and `~`; pydantic converts them by their field.

    So a class may be called `1`, `no` or `1e3`. Aliases are refused: a few of them can expand to gigabytes.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is not an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed in a recipe")
        return super().compose_node(parent, index)


# Of YAML's implicit types only `null` is left.
_TextLoader.yaml_implicit_resolvers = {
    first: [("tag:yaml.org,2002:null", re.compile(r"^(?:~|null)$"))] for first in "~n"
}


def _read(config: str) -> dict[str, Any]:
    if config in preset_names():
        return _parse_tree((_PRESETS / f"{config}.yaml").read_bytes(), config)
    path = Path(config)
    if not path.is_file():
        raise LymphoscopeError(f"unknown recipe {config!r}: give a YAML file or one of {', '.join(preset_names())}")
    if path.stat().st_size > _MAX_BYTES:
        raise LymphoscopeError(f"{config} has more than {_MAX_BYTES:,} bytes: it is not a recipe")
    return _parse_tree(path.read_bytes(), config)


def _parse_tree(content: bytes, source: str) -> dict[str, Any]:
    try:
        tree = _parse_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LymphoscopeError(f"{source} is not UTF-8 text: save it as UTF-8") from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else one_line(error)
        raise LymphoscopeError(f"{source} is not valid YAML: {reason:.300}") from error
    if not isinstance(tree, dict):
        raise LymphoscopeError(f"{source} has no keys: write them as `key: value`")
    return tree


def _parse_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_TextLoader)  # noqa: S506  a SafeLoader


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
        tree[last] = _parse_yaml(value)
    except (yaml.YAMLError, RecursionError) as error:
        raise LymphoscopeError(f"--set {override:.100}: the value is not valid YAML") from error


def _nearest(path: list[str]) -> str:
    keys = list(_keys(Recipe))
    # The same name in another section first: `epochs` means `optimisation.epochs`.
    close = [key for key in keys if key.split(".")[-1] == path[-1]][:1]
    close = close or difflib.get_close_matches(".".join(path), keys, n=1, cutoff=0.5)
    return f": did you mean `{close[0]}`?" if close else ": see docs/reference/recipe.md for the keys of a recipe"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
