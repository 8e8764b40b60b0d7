"""Lightning's progress bar, on a terminal only; elsewhere `History` says a line an epoch.

The curve of a training: a row an epoch in `metrics.csv`, whole after every epoch and across a resume.

Training and test error by epoch (Figure 7): watched, never used to choose.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback, RichProgressBar

from lymphoscope.files import written_beside
from lymphoscope.training.batches import EpochSampler, LabelledCells, batches
from lymphoscope.training.module import TrainingModule
from lymphoscope.training.recipe import Recipe


def progress_callbacks() -> list[Callback]:
    """A bar on a terminal, nothing elsewhere."""
    return [RichProgressBar(leave=False)] if sys.stderr.isatty() else []


COLUMNS = (
    "epoch",
    "train_loss",
    "train_loss_raw",
    "train_loss_crop",
    "train_loss_erase",
    "validation_loss",
    "validation_accuracy",
    "validation_weighted_f1",
    "learning_rate",
    "seconds",
)


class History(Callback):
    """Keeps a row an epoch in the checkpoint and in `path`; says a line an epoch where there is no terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the run that was stopped."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row of this epoch; validation has been."""
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        losses = [value for name, value in measured.items() if name.startswith("train_loss_")]
        row = {
            **measured,
            "epoch": trainer.current_epoch + 1,
            "train_loss": sum(losses) / len(losses),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": time.monotonic() - self.started,
        }
        self.rows.append({name: row[name] for name in COLUMNS if name in row})
        if trainer.is_global_zero:
            self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        with written_beside(self.path) as beside:
            pd.DataFrame(self.rows).to_csv(beside, index=False)
        if not sys.stderr.isatty():
            row = self.rows[-1]
            print(
                f"epoch {row['epoch']} of {trainer.max_epochs}: train loss {row['train_loss']:.3f}, "
                f"validation loss {row['validation_loss']:.3f}, WF1S {row['validation_weighted_f1']:.3f}, "
                f"{row['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )


class ErrorCurves(Callback):
    """After each epoch predicts cells as at test time, without augmentation; a row an epoch in `path`.

    `parts` are cells by name; the columns are `epoch` and `<name>_error`, a share of the cells. Nothing here is
    logged, so early stopping and checkpoints cannot choose by it.
    """

    def __init__(self, path: Path, parts: dict[str, LabelledCells], recipe: Recipe) -> None:
        self.path = path
        self.loaders = {
            name: batches(cells, EpochSampler(len(cells), recipe.seed, shuffle=False), recipe, train=False)
            for name, cells in parts.items()
        }
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, list[dict[str, float]]]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, list[dict[str, float]]]) -> None:
        """Go on after the rows of the run that was stopped."""
        self.rows = list(state_dict["rows"])

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Predict while the network is in evaluation mode and takes no gradient."""
        assert isinstance(pl_module, TrainingModule)  # noqa: S101  # the one module that this trains
        errors = {f"{name}_error": self._error(pl_module, name) for name in self.loaders}
        self.rows.append({"epoch": trainer.current_epoch + 1, **errors})
        if trainer.is_global_zero:
            with written_beside(self.path) as beside:
                pd.DataFrame(self.rows).to_csv(beside, index=False)

    def _error(self, module: TrainingModule, name: str) -> float:
        wrong = cells = 0
        for images, labels in self.loaders[name]:
            decided = module.predict(module.normalized(images.to(module.device)))[1]
            wrong += int((decided.cpu() != labels).sum())
            cells += len(labels)
        return wrong / cells


def plain_cells(cells: LabelledCells) -> LabelledCells:
    """The same cells without augmentation."""
    return replace(cells, augmentations=(), mixing=None)
