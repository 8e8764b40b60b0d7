"""The graphs that are exported, as torch modules and ONNX files; they take cells as files hold them, 0-255 RGB."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.inference.backends.protocol import NETWORK_OUTPUTS
from lymphoscope.method import (
    WTDFN,
    attention_crop,
    attention_erase,
    fill_values,
    oriented_views,
    plurality_vote,
    stream_votes,
    test_map,
)
from lymphoscope.model_file import Description
from lymphoscope.model_file.folder import load_network

OPSET = 20
ALGORITHM1_OUTPUTS = ("labels", "scores", "probabilities", "votes", "boxes", "maps")


class NetworkGraph(nn.Module):
    """One pass: (B, S, S, 3), uint8 or float32, 0-255 RGB -> logits (B, K), guide maps (B, h, w), features (B, C)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, description: Description) -> None:
        super().__init__()
        self.network: Any = network
        self.map = description.test_time.map
        self.size = description.preprocessing.size
        # Normalises one row of pixels at a time: runtimes are slow at constants that repeat every three values.
        mean, std = (torch.tensor(values).repeat(self.size) * 255 for values in _statistics(description))
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)

    def normalize(self, cells: Tensor) -> Tensor:
        """Cells (B, S, S, 3) -> images (B, 3, S, S), normalised as in training."""
        rows = cells.reshape(-1, self.size, 3 * self.size).float() * self.scale + self.shift
        return rows.reshape(-1, self.size, self.size, 3).permute(0, 3, 1, 2)

    def network_pass(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised images -> logits, guide maps, features."""
        logits, maps, features = self.network.forward_with_features(images)
        guide_maps = test_map(maps, self.map) if isinstance(self.network, WTDFN) else maps[:, 0]
        return logits, guide_maps, features

    def forward(self, cells: Tensor) -> tuple[Tensor, ...]:
        """Run the network once."""
        return self.network_pass(self.normalize(cells))


class Algorithm1Graph(NetworkGraph):
    """All of Algorithm 1: cells (B, S, S, 3) uint8 -> the outputs that `ALGORITHM1_OUTPUTS` names.

    labels (B,), scores (B, K) mean softmax, probabilities (3, B, K) and votes (3, B) of raw, crop and erase, boxes
    (B, 4) top, left, bottom, right, maps (B, h, w) before Eq. 2. All three streams run for every cell, because a graph
    of one shape cannot skip. Streams that the model does not use are NaN, and their votes -1.
    """

    def __init__(self, network: nn.Module, description: Description) -> None:
        super().__init__(network, description)
        self.options = description.test_time
        black = fill_values("black", *_statistics(description))
        self.fill: Any = black if self.options.fill == "black" else "mean"

    def forward(self, cells: Tensor) -> tuple[Tensor, ...]:
        """Classify cells by their streams, averaged over the views of the model."""
        views = [self.streams(view) for view in oriented_views(self.normalize(cells), self.options.views)]
        _, boxes, guide_maps = views[0]
        probabilities = torch.stack([view[0] for view in views]).mean(dim=0)  # (3, B, K)
        scores = probabilities.nanmean(dim=0)
        labels = plurality_vote(probabilities) if self.options.decision == "vote" else scores.argmax(dim=1)
        return labels, scores, probabilities, stream_votes(probabilities), boxes, guide_maps

    def streams(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised images (B, 3, S, S) -> probabilities (3, B, K), boxes (B, 4) and guide maps (B, h, w)."""
        logits, guide_maps, _ = self.network_pass(images)
        crops, boxes = attention_crop(images, guide_maps, self.options.crop_threshold, self.options.crop_padding)
        erased = attention_erase(images, guide_maps, self.options.erase_threshold, self.fill)
        others = {"crop": crops, "erase": erased}
        softmaxes = [logits.softmax(dim=1)] + [
            self.network_pass(others[name])[0].softmax(dim=1)
            if name in self.options.streams
            else torch.full_like(logits, torch.nan)
            for name in ("crop", "erase")
        ]
        return torch.stack(softmaxes), boxes, guide_maps


def write_onnx(folder: Path, out: Path, *, graph: str = "network", dtype: str = "float32") -> None:
    """Write the model of `folder` as one ONNX file that takes any number of cells of `dtype`, uint8 or float32 (0-255).

    `graph` is `network` or `algorithm1`. Raises LymphoscopeError if the folder is not a model, and for the algorithm
    of a model without attention.
    """
    network, description = load_network(folder)
    whole = graph == "algorithm1"
    if whole and description.architecture.head != "attention":
        raise LymphoscopeError(f"{description.name} has a linear head: Algorithm 1 needs a model with attention")
    size = description.preprocessing.size
    cells = torch.zeros(2, size, size, 3, dtype=getattr(torch, dtype))
    with written_beside(out) as beside, torch.no_grad(), _silent_exporter():
        torch.onnx.export(
            (Algorithm1Graph if whole else NetworkGraph)(network, description).eval(),
            (cells,),
            beside,
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(ALGORITHM1_OUTPUTS if whole else NETWORK_OUTPUTS),
            dynamic_shapes={"cells": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
        _remove_traces(beside)


def _statistics(description: Description) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return description.preprocessing.mean, description.preprocessing.std


def _remove_traces(path: Path) -> None:
    """Remove the exporter's notes on each node, which name files of this machine."""
    import onnx

    model = onnx.load(path)
    for holder in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    onnx.save(model, path)


@contextlib.contextmanager
def _silent_exporter() -> Iterator[None]:
    """Keep the messages of the exporter off the terminal; errors are raised as usual."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
