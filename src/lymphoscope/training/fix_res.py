"""FixRes (Touvron et al. 2019): after training, fine-tune classifier and last batch norm at a higher resolution.

A phase with its own checkpoints: a run that was killed continues after its last whole epoch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lymphoscope.data import CellPreparation, Manifest
from lymphoscope.files import written_beside
from lymphoscope.method import WTDFN, attention_crop, attention_erase, fill_values, test_map
from lymphoscope.training.batches import (
    EpochSampler,
    LabelledCells,
    channel_values,
    class_shares,
    create_loader,
    load_cells,
    normalise_images,
    sampling_weights,
)
from lymphoscope.training.hardware import autocast, autocast_dtype, resolve_device, resolve_precision
from lymphoscope.training.initial_network import balanced_class_weights
from lymphoscope.training.losses import cross_entropy
from lymphoscope.training.recipe import Recipe


def fine_tune_resolution(
    network: nn.Module, recipe: Recipe, manifest: Manifest, preparation: CellPreparation, folder: Path
) -> nn.Module:
    """Train classifier and last batch norm of `network` at the resolution of `preparation`; return it in eval mode.

    Continues from `folder`/last.ckpt if it exists; writes one row per epoch to `folder`/metrics.csv. On the CPU a run
    that was killed and resumed ends with the same weights as one that was not. Raises LymphoscopeError as `load_cells`
    does.
    """
    optimisation = recipe.optimisation
    size = recipe.fix_res.batch_size or optimisation.batch_size
    recipe = recipe.model_copy(update={"optimisation": optimisation.model_copy(update={"batch_size": size})})
    cells = load_cells(manifest, "train", recipe, preparation, augment=False)
    device = torch.device(resolve_device(recipe.hardware))
    phase = _FixResPhase(network.to(memory_format=torch.channels_last).to(device), recipe, cells, folder)
    for epoch in range(phase.resume(), recipe.fix_res.epochs):
        phase.run_epoch(epoch)
    return network.cpu().to(memory_format=torch.contiguous_format).eval()


def trainable_parts(network: nn.Module) -> list[nn.Module]:
    """Return the last batch norm (of WT-DFN that of its head), if there is one, and the classifier."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [*norms[-1:], network.get_submodule("classifier")]


class _FixResPhase:
    """The state of the phase, which a checkpoint holds, and one epoch of it."""

    def __init__(self, network: nn.Module, recipe: Recipe, cells: LabelledCells, folder: Path) -> None:
        self.network, self.recipe, self.cells, self.folder = network, recipe, cells, folder
        self.parts = trainable_parts(network)
        network.eval().requires_grad_(False)
        weights = [weight for part in self.parts for weight in part.requires_grad_(True).parameters()]
        self.optimiser = torch.optim.SGD(weights, recipe.fix_res.learning_rate, recipe.fix_res.momentum)
        self.rows: list[dict[str, float]] = []
        self.class_weights = (
            balanced_class_weights(class_shares(cells.labels, cells.possible)).to(weights[0].device)
            if recipe.optimisation.class_weights
            else None
        )

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    def resume(self) -> int:
        """Load the checkpoint, if there is one; return the number of finished epochs."""
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.rows = state["rows"]
        return len(self.rows)

    def run_epoch(self, epoch: int) -> None:
        """Train for one epoch, and write checkpoint and curve."""
        losses = [self._step(*batch) for batch in self._batches(epoch)]
        self.rows.append({"epoch": epoch + 1, "train_loss": float(torch.stack(losses).mean())})
        self._save()

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        sampling, cells = self.recipe.optimisation.sampling, self.cells
        weights = sampling_weights(sampling, cells.labels, cells.subjects, cells.possible)
        sampler = EpochSampler(len(self.cells), self.recipe.seed, weights, alone=True)
        # An order that differs from those of all epochs before.
        sampler.set_epoch(self.recipe.optimisation.epochs + epoch)
        device = next(self.network.parameters()).device
        for images, labels in create_loader(self.cells, sampler, self.recipe, train=True):
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def _step(self, pixels: Tensor, labels: Tensor) -> Tensor:
        for part in self.parts:
            part.train()
        dtype = autocast_dtype(resolve_precision(self.recipe.hardware.precision, pixels.device.type))
        # float16 would need scaled gradients; these few weights train in float32 without noticeable cost.
        with autocast(None if dtype is torch.float16 else dtype, pixels.device):
            loss = torch.stack([self._loss(logits, labels) for logits in self._logits(pixels)]).mean()
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.network.eval()
        return loss.detach()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, self.class_weights, self.recipe.optimisation.label_smoothing)

    def _logits(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield the logits (B, K) of each stream of test time, guided by the test-time map."""
        data = self.recipe.data
        mean, std = (channel_values(values, pixels.device) for values in (data.mean, data.std))
        images = normalise_images(pixels, mean, std)
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

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        with written_beside(self.folder / "metrics.csv") as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)
        with written_beside(self.checkpoint) as temporary:
            torch.save({**state, "rows": self.rows}, temporary)
