"""What is exported, as torch modules: fitted cells in as their files hold them, normalised inside."""

from typing import Any

import torch
from torch import Tensor, nn

from lymphoscope.method import (
    WTDFN,
    attention_crop,
    attention_erase,
    fill_values,
    plurality_vote,
    stream_votes,
    test_map,
)
from lymphoscope.model_file.description import Description

NETWORK_OUTPUTS = ("logits", "guides", "features")
ALGORITHM1_OUTPUTS = ("labels", "scores", "probabilities", "votes", "boxes", "maps")


class NetworkGraph(nn.Module):
    """One pass: (B, S, S, 3), uint8 or float32, 0-255 RGB -> logits (B, K), guide_maps (B, h, w), features (B, C)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, description: Description) -> None:
        super().__init__()
        self.network: Any = network
        self.how = description.test_time.map
        self.side = description.preprocessing.size
        # A row of pixels at a time: runtimes are slow at constants that repeat every three values.
        mean, std = (torch.tensor(values).repeat(self.side) * 255 for values in _statistics(description))
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)

    def normalised(self, images: Tensor) -> Tensor:
        """Cells -> (B, 3, S, S) as the network was trained on."""
        rows = images.reshape(-1, self.side, 3 * self.side).float() * self.scale + self.shift
        return rows.reshape(-1, self.side, self.side, 3).permute(0, 3, 1, 2)

    def described(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised images -> logits, guide_maps, features."""
        logits, maps, features = self.network.forward_with_features(images)
        guide_maps = test_map(maps, self.how) if isinstance(self.network, WTDFN) else maps[:, 0]
        return logits, guide_maps, features

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network once."""
        return self.described(self.normalised(images))


class Algorithm1Graph(NetworkGraph):
    """All of Algorithm 1: cells (B, S, S, 3) uint8 -> what `ALGORITHM1_OUTPUTS` name.

    labels (B,), scores (B, K) mean softmax, probabilities (3, B, K) and votes (3, B) of raw, crop and erase, boxes
    (B, 4) top, left, bottom, right, maps (B, h, w) before Eq. 2. All three streams run for every cell: a graph of one
    shape cannot skip. A model that uses fewer has NaN and -1 for those that it lacks.
    """

    def __init__(self, network: nn.Module, description: Description) -> None:
        super().__init__(network, description)
        self.use = description.test_time
        black = fill_values("black", *_statistics(description))
        self.fill: Any = black if self.use.fill == "black" else "mean"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Classify cells by their streams."""
        cells = self.normalised(images)
        logits, guide_maps, _ = self.described(cells)
        crops, boxes = attention_crop(cells, guide_maps, self.use.crop_threshold, self.use.crop_padding)
        erased = attention_erase(cells, guide_maps, self.use.erase_threshold, self.fill)
        others = {"crop": crops, "erase": erased}
        softmaxes = [logits.softmax(dim=1)] + [
            self.described(others[name])[0].softmax(dim=1)
            if name in self.use.streams
            else torch.full_like(logits, torch.nan)
            for name in ("crop", "erase")
        ]
        probabilities = torch.stack(softmaxes)  # (3, B, K)
        scores = probabilities.nanmean(dim=0)
        labels = plurality_vote(probabilities) if self.use.decision == "vote" else scores.argmax(dim=1)
        return labels, scores, probabilities, stream_votes(probabilities), boxes, guide_maps


def _statistics(description: Description) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return description.preprocessing.mean, description.preprocessing.std
