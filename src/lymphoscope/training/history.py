"""The curve of a training: a row an epoch in `metrics.csv`, whole after every epoch and across a resume."""

import sys
import time
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback

from lymphoscope.files import written_beside

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
