"""A trained model in use: cells in, a table out."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.inference.backends import open_network
from lymphoscope.inference.inputs import CellInputs, as_cells
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.ternary import Runtime, TernaryRuntime
from lymphoscope.model_file import Description, default_model_notice, load_description, resolve_model
from lymphoscope.vocabulary import ErasePolicy

if TYPE_CHECKING:
    import pandas as pd

    from lymphoscope.inference.explain import Explanation


class Model:
    """A model on a runtime; threads may share it. `predict_manifest` writes tables that do not fit in memory."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def description(self) -> Description:
        """What the model is: classes, preprocessing, thresholds, what it was trained on, its limits."""
        return self.runtime.description

    def predict(
        self,
        cells: CellInputs,
        *,
        batch_size: int = BATCH_SIZE,
        workers: int | None = None,
        allow_remote: bool = False,
    ) -> "pd.DataFrame":
        """Classify cells and return one row per cell, in order, with the columns of the predictions table.

        `cells` are paths of files, folders and manifests, arrays (H, W, 3) uint8 RGB, Pillow images, or a DataFrame or
        manifest with the column `path`. A file that cannot be read is a row with `error`. Addresses in a table are
        fetched only if `allow_remote`.
        Raises LymphoscopeError for a path that does not exist, and for an array of another shape or type.
        """
        from lymphoscope.evaluation import as_predictions

        named = as_cells(cells, allow_remote=allow_remote)
        with predicted_rows(self.runtime, named, batch_size=batch_size, workers=workers) as rows:
            return as_predictions(rows, self.description.classes)

    def explain(self, cells: CellInputs) -> "Iterator[Explanation]":
        """Yield what the three streams received of each cell, in order; `cells` as in `predict`.

        A file that cannot be read has a row and no images. Raises LymphoscopeError for a path that does not exist, and
        for a model without attention.
        """
        from lymphoscope.inference.explain import explained_cells

        with explained_cells(self.runtime, as_cells(cells)) as explanations:
            yield from explanations

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self._facts().items())
        return f"<Model {facts}>"

    def _repr_html_(self) -> str:
        from html import escape

        facts = {**self._facts(), "limits": self.description.limits or "not stated"}
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
        return f"<table style='text-align:left'>{rows}</table>"

    def _facts(self) -> dict[str, str]:
        description = self.description
        architecture = description.architecture
        size = description.preprocessing.size
        return {
            "name": description.name,
            "classes": ", ".join(description.classes),
            "network": f"{architecture.backbone}, {architecture.head} head",
            "input": f"{size}x{size} pixels",
            **self.runtime.options,
        }


def load(
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    erase: ErasePolicy = "always",
    runtime: str = "auto",
    threads: int | None = None,
    compile: bool = False,
) -> Model:
    """Load a model: a folder, the name of a model that ships, or without one the default model that ships.

    `runtime` is one of `lymphoscope.inference.backends.runtime_names()`, or auto: the fastest that is installed and
    that the model supports. `precision` is float32, bfloat16 or int8. `threads` are those of the network; with torch
    they are those of the whole process. `device` is auto, cpu, cuda, cuda:1 or mps; only torch supports others than the
    CPU. `erase="on_disagreement"` skips the third stream where the first two agree, which changes no label.
    Raises LymphoscopeError for a folder that is not a model, and for a device or runtime that is not available.
    """
    resolved = resolve_model(folder)
    if folder is None:
        logging.getLogger("lymphoscope").warning(default_model_notice(load_description(resolved)))
    network = open_network(
        resolved, runtime=runtime, device=device, precision=precision, threads=threads, compile=compile
    )
    model = Model(TernaryRuntime(network, erase))
    band, void = model.description.referral.band, model.description.void_promise(model.runtime.options)
    if void is not None and band is not None and band.estimate is None:  # an estimate promises nothing to void
        print(void, file=sys.stderr)
    return model
