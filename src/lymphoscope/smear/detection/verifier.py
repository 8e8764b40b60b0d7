"""The verifier: a small network that says how well a region fits a white cell, and how far the cell reaches."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.detection.features import FEATURES

WEIGHTS = Path(__file__).parent / "verifier.json"
"""The weights that ship; `benchmarks/detection_verifier.py` trains them."""

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Verifier:
    """A network of a few fully connected layers.

    `layers` are weights (out, in) and offsets (out,); between the layers is a hyperbolic tangent. The three outputs are
    the logit of the score and the logarithms of the whole cell's width and height over those of the region.
    """

    layers: tuple[Layer, ...]

    def judge(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return scores (N,), 0 to 1, and growth (N, 2) in width and height, 1 to 3, of features (N, F)."""
        values = features.reshape(-1, len(FEATURES))
        for place, (weights, offsets) in enumerate(self.layers):
            values = values @ weights.T + offsets
            if place < len(self.layers) - 1:
                values = np.tanh(values)
        scores = 1 / (1 + np.exp(-np.clip(values[:, 0], -30, 30)))
        return scores.astype(np.float32), np.exp(np.clip(values[:, 1:], 0, np.log(3))).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the weights as JSON, with the names of the features."""
        layers = [
            {
                "weights": np.round(weights.astype(float), 5).tolist(),
                "offsets": np.round(offsets.astype(float), 5).tolist(),
            }
            for weights, offsets in self.layers
        ]
        path.write_text(json.dumps({"features": list(FEATURES), "layers": layers}) + "\n", encoding="utf-8")


@cache
def load_verifier(path: Path = WEIGHTS) -> Verifier:
    """Read the weights. Raises LymphoscopeError if they were trained on other features."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    if tuple(stored["features"]) != FEATURES:
        raise LymphoscopeError(f"{path}: trained on other features; run benchmarks/detection_verifier.py")
    return Verifier(
        tuple(
            (np.array(layer["weights"], np.float32), np.array(layer["offsets"], np.float32))
            for layer in stored["layers"]
        )
    )
