"""The glue to Lightning: a training step, a validation epoch, the optimiser, and where randomness comes from."""

from typing import Any

import lightning
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss
from torch import Tensor, nn

from lymphoscope.method import WTDFN, fill_values, predict_ternary
from lymphoscope.training.losses import StepLosses
from lymphoscope.training.optimiser import learning_rate_factor
from lymphoscope.training.recipe import Recipe
from lymphoscope.training.step import normalized, optimiser_of

Batch = tuple[Tensor, Tensor]


class TrainingModule(lightning.LightningModule):
    """Trains a network by a recipe; `class_weights` (K,) weigh the cross-entropy, or None.

    Optimisation is manual so that joint and alternating phases are one code: a group of passes, then a step.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, recipe: Recipe, num_classes: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network, self.recipe = network, recipe
        self.losses = StepLosses(recipe, network, num_classes, class_weights)
        self.fill = fill_values(recipe.attention.fill, recipe.data.mean, recipe.data.std)
        self.register_buffer("mean", torch.tensor(recipe.data.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(recipe.data.std).view(3, 1, 1), persistent=False)
        self.validated: list[tuple[Tensor, Tensor, Tensor]] = []

    def normalized(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) of uint8 -> the network's input, float32, channels last."""
        return normalized(images, self.mean, self.std)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step and set its learning rate by (epoch, step) alone: a resumed run repeats a run never killed."""
        seed = np.random.SeedSequence((self.recipe.seed, self.current_epoch, batch_idx, self.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))
        epoch = self.current_epoch + batch_idx / self.trainer.num_training_batches
        factor = learning_rate_factor(self.recipe.optimisation, epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = factor * self.recipe.optimisation.learning_rate * group["lr_scale"]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One step of the joint phase, or two of the alternating ones (section 2.3)."""
        for group in self.losses(self.network, self.normalized(batch[0]), batch[1], self.fill):
            for stream, loss in group.items():
                self._note(f"train_loss_{stream}", loss.detach())
            self._descend(torch.stack(list(group.values())).mean())

    def _note(self, name: str, value: Tensor) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def _descend(self, loss: Tensor) -> None:
        optimiser: Any = self.optimizers()
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Predict as at test time, deterministically; keep scores, labels and decisions for the epoch's end."""
        scores, decided = self.predict(self.normalized(batch[0]))
        self.validated.append((scores.float().cpu(), decided.cpu(), batch[1].cpu()))

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (B, 3, S, S) -> scores (B, K), the mean softmax, and decided labels (B,)."""
        settings = self.recipe.test_time.model_dump(exclude={"fill"})
        if not isinstance(self.network, WTDFN):
            settings["streams"] = ("raw",)
        fill = fill_values(self.recipe.test_time.fill, self.recipe.data.mean, self.recipe.data.std)
        prediction = predict_ternary(self.network, images, fill=fill, **settings)
        return prediction.scores, prediction.labels

    def on_validation_epoch_end(self) -> None:
        """Every process validates all cells, so all agree on when to stop."""
        scores, decided, labels = (torch.cat(part).numpy() for part in zip(*self.validated, strict=True))
        self.validated.clear()
        classes = np.arange(scores.shape[1])
        scores = scores.astype(np.float64)
        self.log_dict(
            {
                "validation_loss": log_loss(labels, scores / scores.sum(axis=1, keepdims=True), labels=classes),
                "validation_accuracy": accuracy_score(labels, decided),
                "validation_weighted_f1": f1_score(labels, decided, average="weighted", zero_division=0.0),
            }
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Ranger of section 3.1, or AdamW."""
        return optimiser_of(self.network, self.recipe.optimisation)
