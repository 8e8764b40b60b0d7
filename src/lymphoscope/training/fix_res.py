"""FixRes (Touvron et al. 2019): after training, the same picture at a higher resolution, and a little more training.

A phase of its own with checkpoints of its own: what a kill leaves is gone on with from its last whole epoch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lymphoscope.data import Geometry, Manifest
from lymphoscope.files import written_beside
from lymphoscope.method import WTDFN, attention_crop, attention_erase, fill_values, test_map
from lymphoscope.training.batches import EpochSampler, LabelledCells, batches, labelled_cells, sampling_weights
from lymphoscope.training.hardware import autocast_dtype, device_of, resolved_precision
from lymphoscope.training.losses import cross_entropy
from lymphoscope.training.recipe import Recipe
from lymphoscope.training.start import balanced_weights
from lymphoscope.training.step import normalized


def fine_tuned(network: nn.Module, recipe: Recipe, manifest: Manifest, fit: Geometry, folder: Path) -> nn.Module:
    """Train the classifier and the last batch norm of `network` at the resolution of `fit`; return it, in eval mode.

    Goes on from `folder`/last.ckpt where there is one; writes a row an epoch to `folder`/metrics.csv. On the CPU a run
    that was killed ends with the weights of one never killed. Raises LymphoscopeError as `labelled_cells` does.
    """
    optimisation = recipe.optimisation
    size = recipe.fix_res.batch_size or optimisation.batch_size
    recipe = recipe.model_copy(update={"optimisation": optimisation.model_copy(update={"batch_size": size})})
    cells = labelled_cells(manifest, "train", manifest.classes, recipe, fit, augment=False)
    device = torch.device(device_of(recipe.hardware))
    phase = _Phase(network.to(memory_format=torch.channels_last).to(device), recipe, cells, folder)
    for epoch in range(phase.done(), recipe.fix_res.epochs):
        phase.run(epoch)
    return network.cpu().to(memory_format=torch.contiguous_format).eval()


def trained_parts(network: nn.Module) -> list[nn.Module]:
    """The classifier and the last batch norm in the order of the modules, where there is one: of WT-DFN its head's."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [*norms[-1:], network.get_submodule("classifier")]


class _Phase:
    """The state that a checkpoint holds, and an epoch over it."""

    def __init__(self, network: nn.Module, recipe: Recipe, cells: LabelledCells, folder: Path) -> None:
        self.network, self.recipe, self.cells, self.folder = network, recipe, cells, folder
        self.parts = trained_parts(network)
        network.eval().requires_grad_(False)
        weights = [weight for part in self.parts for weight in part.requires_grad_(True).parameters()]
        chosen = recipe.fix_res
        self.optimiser = torch.optim.SGD(weights, chosen.learning_rate, chosen.momentum)
        self.rows: list[dict[str, float]] = []
        number = int(network.get_submodule("classifier").get_parameter("weight").shape[0])
        self.class_weights = (
            balanced_weights(cells.labels, number).to(weights[0].device) if recipe.optimisation.class_weights else None
        )

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    def done(self) -> int:
        """Epochs done so far, taken up from the checkpoint."""
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.rows = state["rows"]
        return len(self.rows)

    def run(self, epoch: int) -> None:
        """Take an epoch and keep what it came to."""
        losses = [self._step(*batch) for batch in self._batches(epoch)]
        self.rows.append({"epoch": epoch + 1, "train_loss": float(torch.stack(losses).mean())})
        self._keep()

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        # Another order than that of any epoch of the training before.
        weights = sampling_weights(self.recipe.optimisation.sampling, self.cells.labels, self.cells.subjects)
        sampler = EpochSampler(len(self.cells), self.recipe.seed, weights, alone=True)
        sampler.set_epoch(self.recipe.optimisation.epochs + epoch)
        device = next(self.network.parameters()).device
        for images, labels in batches(self.cells, sampler, self.recipe, train=True):
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def _step(self, pixels: Tensor, labels: Tensor) -> Tensor:
        for part in self.parts:
            part.train()
        precision = autocast_dtype(resolved_precision(self.recipe.hardware.precision, pixels.device.type))
        # float16 would need its gradients scaled; so few weights train in float32 at no cost worth naming.
        half = precision if precision is not torch.float16 else None
        with torch.autocast(pixels.device.type, dtype=half or torch.bfloat16, enabled=half is not None):
            loss = torch.stack([self._loss(logits, labels) for logits in self._logits(pixels)]).mean()
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.network.eval()
        return loss.detach()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, self.class_weights, self.recipe.optimisation.label_smoothing)

    def _logits(self, pixels: Tensor) -> Iterator[Tensor]:
        """Logits (B, K) of each stream that the model is tested with, guided by the map of the test."""
        data = self.recipe.data
        mean, std = (torch.tensor(value, device=pixels.device).view(3, 1, 1) for value in (data.mean, data.std))
        images = normalized(pixels, mean, std)
        if not isinstance(self.network, WTDFN):
            yield self.network(images)
            return
        test, (logits, maps) = self.recipe.test_time, self.network(images)
        yield logits
        guide = test_map(maps, test.map)
        if "crop" in test.streams:
            yield self.network(attention_crop(images, guide, test.crop_threshold, test.crop_padding)[0])[0]
        if "erase" in test.streams:
            fill = fill_values(test.fill, data.mean, data.std)
            yield self.network(attention_erase(images, guide, test.erase_threshold, fill))[0]

    def _keep(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        with written_beside(self.folder / "metrics.csv") as beside:
            pd.DataFrame(self.rows).to_csv(beside, index=False)
        with written_beside(self.checkpoint) as beside:
            torch.save({**state, "rows": self.rows}, beside)
