"""A run folder (docs/reference/): the paths of a run, its log, and which process writes to it."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics
from lymphoscope.extras import installed
from lymphoscope.files import output_lock, write_json, write_text

if TYPE_CHECKING:
    from lymphoscope.training import Recipe

_LOGGER = logging.getLogger("lymphoscope.runs")
_LOGGER.setLevel(logging.INFO)
_LOGGER.propagate = False


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, and how they are read and written."""

    path: Path

    @property
    def config(self) -> Path:
        """The whole recipe, defaults included."""
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        """The cells and their part of the split."""
        return self.path / "manifest.parquet"

    @property
    def notices(self) -> Path:
        """What a reader must know about the cells, such as what was not read; a list of sentences, if there are any."""
        return self.path / "notices.json"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / "model"

    @property
    def curves(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        """One row per held-out cell; CSV in an installation without Parquet."""
        return self.path / f"predictions{'.parquet' if installed('pyarrow') else '.csv'}"

    @property
    def metrics(self) -> Path:
        """The metrics with their intervals."""
        return self.path / "metrics.json"

    @property
    def card(self) -> Path:
        """The model card with the scores of this run."""
        return self.path / "model_card.md"

    @property
    def report(self) -> Path:
        """The report, one page that opens offline; the last file that a run writes."""
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """What the run printed, with times."""
        return self.path / "log.txt"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse other processes that want to write to this folder, within the context; see `files.output_lock`.

        Raises LymphoscopeError if another process works in it.
        """
        with output_lock(self.path) if is_rank_zero() else nullcontext():
            yield

    def require_free(self) -> None:
        """Raise LymphoscopeError if the folder already has a run."""
        if self.config.exists():
            raise LymphoscopeError(f"{self.path} already has a run: continue it with --resume, or choose another --out")

    def write_plan(self, recipe: "Recipe", manifest: Manifest) -> None:
        """Write recipe and split; the recipe comes last, so a folder that has one can be resumed."""
        from lymphoscope.data import write_manifest
        from lymphoscope.training import recipe_yaml

        write_manifest(manifest, self.manifest)
        if manifest.notices:
            write_json(self.notices, list(manifest.notices))
        write_text(self.config, recipe_yaml(recipe))

    def require_plan(self) -> None:
        """Raise LymphoscopeError if the folder has no run."""
        if not self.config.is_file():
            raise LymphoscopeError(f"{self.path} has no run to resume: start it without --resume")

    def read_plan(self) -> "tuple[Recipe, Manifest]":
        """Read recipe and split. Raises LymphoscopeError if the folder has no run."""
        from lymphoscope.data import read_manifest
        from lymphoscope.training import load_recipe

        self.require_plan()
        manifest = read_manifest(self.manifest)
        notices = json.loads(self.notices.read_text(encoding="utf-8")) if self.notices.is_file() else []
        return load_recipe(str(self.config)), manifest.with_table(manifest.table, *notices)

    def write_metrics(self, metrics: Metrics) -> None:
        """Write metrics.json, completely or not at all."""
        write_json(self.metrics, metrics.model_dump(mode="json"))

    def read_metrics(self) -> Metrics:
        """Read metrics.json."""
        return Metrics.model_validate_json(self.metrics.read_text(encoding="utf-8"))

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Within the context, send the lines of `log` to standard error and append them to log.txt with the time."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(self.log, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        # A run inside another (a fold, the demo) prints each line once.
        nested = any(isinstance(handler, _StandardError) for handler in _LOGGER.handlers)
        handlers: list[logging.Handler] = [file] if nested else [file, _StandardError()]
        for handler in handlers:
            _LOGGER.addHandler(handler)
        try:
            yield
        finally:
            for handler in handlers:
                _LOGGER.removeHandler(handler)
                handler.close()


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error, with its own type, to distinguish it from handlers that other code may have added."""


def log(line: str) -> None:
    """Print a line from the leading process, inside `RunFolder.logged`."""
    if is_rank_zero():
        _LOGGER.info(line)


def is_rank_zero() -> bool:
    """Whether this process splits, evaluates and reports.

    Lightning starts the command again for each further device; those processes only train.
    """
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))
