"""Public names of a package that are brought at their first use, so that a start pays for what it uses alone."""

import ast
import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any


def bring_names_at_first_use(package: str) -> None:
    """Let a package bring each name that it imports `if TYPE_CHECKING` at that name's first use.

    Called in its `__init__.py`, after `__all__`. Linters and type checkers read the same imports as always.
    """
    sys.modules[package].__class__ = _Package


class _Package(ModuleType):
    __all__: list[str]

    def __getattr__(self, name: str) -> Any:
        # Also asked for a submodule that is not there yet, which the import system then looks for by itself.
        place = _places(self.__name__).get(name)
        if place is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        value = getattr(import_module(place), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # An import of the file `audit.py` would else put the module where the public function `audit` belongs.
        if not (isinstance(value, ModuleType) and name in self.__all__):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__all__})


@cache
def _places(package: str) -> dict[str, str]:
    """Name -> the module that its package imports it from."""
    loader: Any = sys.modules[package].__loader__
    tree = ast.parse(loader.get_source(package))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
