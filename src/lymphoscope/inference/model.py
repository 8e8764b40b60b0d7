"""A trained model in use: paths in, a table out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.inference.backends import open_network
from lymphoscope.inference.explain import Explanation, explained_cells
from lymphoscope.inference.inputs import find_cells
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.ternary import Erase, Runtime, TernaryRuntime
from lymphoscope.model_file import Description, resolve_model

if TYPE_CHECKING:
    import pandas as pd

Paths = str | Path | Sequence[str | Path]


class Model:
    """A model on a runtime. For more cells than a table in memory should hold, use `predict_manifest`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def description(self) -> Description:
        """What the model is: classes, preprocessing, thresholds, what it was trained on, its limits."""
        return self.runtime.description

    def predict(self, paths: Paths, *, batch_size: int = BATCH_SIZE, workers: int | None = None) -> "pd.DataFrame":
        """Classify the cells of files, folders and manifests: one row a cell, in their order (docs/reference/).

        A file that cannot be read is a row with `error`. Raises LymphoscopeError for a path that is not there.
        """
        from lymphoscope.evaluation import as_predictions

        rows = predicted_rows(self.runtime, find_cells(_many(paths)), batch_size=batch_size, workers=workers)
        return as_predictions(rows, self.description.classes)

    def explain(self, paths: Paths) -> Iterator[Explanation]:
        """Yield what the three streams saw of each cell, in their order; a file that can't be read has a row alone.

        Raises LymphoscopeError for a path that is not there, and for a model without attention.
        """
        return explained_cells(self.runtime, find_cells(_many(paths)))


def load(
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    erase: Erase = "always",
    runtime: str = "auto",
    threads: int | None = None,
    compile: bool = False,
) -> Model:
    """Load a model: a folder, the name of a model that ships, or without one the default model that ships.

    `runtime` is torch, onnx, openvino, or auto: the fastest that is installed and that the folder holds a network
    for. `precision` is float32, bfloat16 or int8; `threads` those of the network, and with torch of the whole process.
    `device` is auto, cpu, cuda, cuda:1, mps; others than the CPU are torch's. `erase="on_disagreement"` skips the third
    stream where the first two agree, which changes no label.
    Raises LymphoscopeError for a folder that is no model, and for a device or runtime that is not there.
    """
    chosen = resolve_model(folder)
    network = open_network(
        chosen, runtime=runtime, device=device, precision=precision, threads=threads, compile=compile
    )
    return Model(TernaryRuntime(network, erase))


def _many(paths: Paths) -> Sequence[str | Path]:
    return [paths] if isinstance(paths, str | Path) else paths
