"""Training and test error by epoch (Figure 7): watched, never used to choose."""

from dataclasses import replace
from pathlib import Path

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback

from lymphoscope.files import written_beside
from lymphoscope.training.batches import EpochSampler, LabelledCells, batches
from lymphoscope.training.module import TrainingModule
from lymphoscope.training.recipe import Recipe


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
