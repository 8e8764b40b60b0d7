"""A run folder: where each thing of a run lies (docs/reference/)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.data import Manifest, read_manifest, write_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import installed
from lymphoscope.files import write_text

if TYPE_CHECKING:
    from lymphoscope.training import Recipe


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """All of the recipe, resolved."""
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        """The cells and the part that each plays."""
        return self.path / "manifest.parquet"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / "model"

    @property
    def curves(self) -> Path:
        """A row an epoch."""
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        """A row a held-out cell; CSV in an installation without Parquet."""
        return self.path / f"predictions{'.parquet' if installed('pyarrow') else '.csv'}"

    @property
    def metrics(self) -> Path:
        """The numbers with their intervals; the last but one thing that a run writes."""
        return self.path / "metrics.json"

    @property
    def card(self) -> Path:
        """The model's card with the scores of this run."""
        return self.path / "model_card.md"

    @property
    def report(self) -> Path:
        """One page that opens without a network; the last thing that a run writes."""
        return self.path / "report.html"

    def require_free(self) -> None:
        """Raise LymphoscopeError where a run lies here already."""
        if self.config.exists():
            raise LymphoscopeError(f"{self.path} holds a run already: go on with --resume, or choose another --out")

    def begin(self, recipe: "Recipe", manifest: Manifest) -> None:
        """Write what the run will do; the recipe comes last, so a folder that has one can be gone on with."""
        from lymphoscope.training import recipe_yaml

        write_manifest(manifest, self.manifest)
        write_text(self.config, recipe_yaml(recipe))

    def read(self) -> "tuple[Recipe, Manifest]":
        """What a run that was begun does. Raises LymphoscopeError where none was."""
        from lymphoscope.training import load_recipe

        if not self.config.is_file():
            raise LymphoscopeError(f"{self.path} holds no run to go on with: start it without --resume")
        return load_recipe(str(self.config)), read_manifest(self.manifest)
