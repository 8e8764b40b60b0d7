"""What the three streams of a model received of one cell: computed on demand, one cell at a time.

The model is found by its id: one of those that ship, or a model folder that the results name and that lies below a
folder that the server may read.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import CellStreams, Model, load
from lymphoscope.model_file import Description
from lymphoscope.reports.plotting import attention_overlay
from lymphoscope.review.pages.jpeg import as_jpeg
from lymphoscope.review.pages.model_cells import model_folder

VIEWS: Final = ("attention", "crop", "erase")
_KEPT: Final = 500
"""Cells whose views are kept, some 30 kB each."""
_KEPT_MODELS: Final = 2

Views = Mapping[str, bytes]
Cut = Callable[[Description], NDArray[np.uint8]]
"""Returns the cell as the model takes it, (H, W, 3) uint8 RGB."""


class ModelViews:
    """Views as JPEG; one thread computes at a time, since a network uses all processors."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._made: OrderedDict[Hashable, Views] = OrderedDict()
        self._lock = threading.Lock()

    def of_cell(self, key: Hashable, source_model: Mapping[str, Any], cut: Cut) -> Views:
        """Return the views of a cell by name. Raises LymphoscopeError where the model or its attention is missing."""
        with self._lock:
            if key not in self._made:
                model = self._model(source_model)
                (explanation,) = model.explain([cut(model.description)])
                if explanation.streams is None:
                    raise LymphoscopeError(f"not available: {explanation.row.get('error')}")
                self._made[key] = _drawn(explanation.streams)
                if len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            return self._made[key]

    def _model(self, source_model: Mapping[str, Any]) -> Model:
        wanted = str(source_model.get("id") or "")
        if wanted not in self._models:
            self._models[wanted] = load(model_folder(source_model, self._roots))
            if len(self._models) > _KEPT_MODELS:
                self._models.popitem(last=False)
        return self._models[wanted]


def _drawn(streams: CellStreams) -> Views:
    pictures = {
        "attention": attention_overlay(streams.raw, streams.attention),
        "crop": streams.crop,
        "erase": streams.erase,
    }
    return {name: as_jpeg(pixels) for name, pixels in pictures.items()}
