"""The curve of a training: one row per epoch, complete after every epoch and continued by a resumed run."""

import sys
import time
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback, RichProgressBar

from lymphoscope.files import written_beside
from lymphoscope.terminal import bar_stream
from lymphoscope.training.batches import EpochSampler, LabelledCells, create_loader
from lymphoscope.training.module import TrainingModule
from lymphoscope.training.recipe import Recipe

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

SECONDS_BETWEEN_LINES = 20.0


def progress_callbacks() -> list[Callback]:
    """Return Lightning's progress bar on a terminal; elsewhere `History` prints one line per epoch."""
    return [RichProgressBar(leave=False, console_kwargs={"file": bar_stream()})] if sys.stderr.isatty() else []


class _EpochTable(Callback):
    """A CSV file with one row per epoch, whose rows are also part of the checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of the run that was stopped."""
        self.rows = list(state_dict["rows"])

    def append(self, row: dict[str, float], trainer: lightning.Trainer) -> None:
        """Add a row and write the table, in the leading process only."""
        self.rows.append(row)
        if trainer.is_global_zero:
            with written_beside(self.path) as temporary:
                pd.DataFrame(self.rows).to_csv(temporary, index=False)


class History(_EpochTable):
    """Losses, validation metrics, learning rate and seconds of each epoch; without a terminal also printed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.epoch_start = time.monotonic()
        self.first_epoch, self.training_start = 0, self.epoch_start
        self.last_line = self.epoch_start

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock of the training, from which the time left is estimated."""
        self.first_epoch, self.training_start = trainer.current_epoch, time.monotonic()
        self.last_line = self.training_start

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock of the epoch."""
        self.epoch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the progress within a long epoch; a terminal has a progress bar instead."""
        now, steps = time.monotonic(), int(trainer.num_training_batches)
        if now - self.last_line < SECONDS_BETWEEN_LINES or batch_idx + 1 == steps or not _prints_lines(trainer):
            return
        self.last_line = now
        done = trainer.current_epoch - self.first_epoch + (batch_idx + 1) / steps
        left = (now - self.training_start) / done * (int(trainer.max_epochs or 0) - self.first_epoch - done)
        print(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: step {batch_idx + 1} of {steps}, "
            f"at most {duration(left)} left",
            file=sys.stderr,
            flush=True,
        )

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row of this epoch, after its validation."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        losses = [value for name, value in metrics.items() if name.startswith("train_loss_")]
        row = {
            **metrics,
            "epoch": trainer.current_epoch + 1,
            "train_loss": sum(losses) / len(losses),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": time.monotonic() - self.epoch_start,
        }
        self.append({name: row[name] for name in COLUMNS if name in row}, trainer)
        if _prints_lines(trainer):
            self.last_line = time.monotonic()
            print(_epoch_line(row, trainer.max_epochs), file=sys.stderr, flush=True)


def _prints_lines(trainer: lightning.Trainer) -> bool:
    return trainer.is_global_zero and not sys.stderr.isatty()


def duration(seconds: float) -> str:
    """Return seconds in a readable unit: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _epoch_line(row: dict[str, float], epochs: int | None) -> str:
    return (
        f"epoch {row['epoch']} of {epochs}: train loss {row['train_loss']:.3f}, validation loss "
        f"{row['validation_loss']:.3f}, WF1S {row['validation_weighted_f1']:.3f}, {row['seconds']:.1f} s"
    )


class ErrorCurves(_EpochTable):
    """After each epoch, the error on cells predicted as at test time, without augmentation (Figure 7).

    `parts` are cells by name; the columns are `epoch` and `<name>_error`, a fraction of the cells. Nothing is logged
    here, so early stopping and checkpoints cannot use it.
    """

    def __init__(self, path: Path, parts: dict[str, LabelledCells], recipe: Recipe) -> None:
        super().__init__(path)
        self.loaders = {
            name: create_loader(cells, EpochSampler(len(cells), recipe.seed, shuffle=False), recipe, train=False)
            for name, cells in parts.items()
        }

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Predict while the network is in evaluation mode and without gradients."""
        assert isinstance(pl_module, TrainingModule)  # noqa: S101  # the only module that `train` uses
        errors = {f"{name}_error": self._error(pl_module, name) for name in self.loaders}
        self.append({"epoch": trainer.current_epoch + 1, **errors}, trainer)

    def _error(self, module: TrainingModule, name: str) -> float:
        wrong = cells = 0
        for images, labels in self.loaders[name]:
            predicted = module.predict(module.normalise(images.to(module.device)))[1]
            wrong += int((predicted.cpu() != labels).sum())
            cells += len(labels)
        return wrong / cells
