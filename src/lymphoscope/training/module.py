"""The Lightning module: a training step, a validation epoch, the optimiser, and the random numbers of each step."""

from typing import Any

import lightning
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss
from torch import Tensor, nn

from lymphoscope.method import WTDFN, fill_values, predict_ternary
from lymphoscope.training.batches import channel_values, normalise_images
from lymphoscope.training.losses import StepLosses
from lymphoscope.training.optimiser import create_optimiser, learning_rate_factor
from lymphoscope.training.recipe import Recipe

Batch = tuple[Tensor, Tensor]


class TrainingModule(lightning.LightningModule):
    """Trains a network by a recipe; `class_weights` (K,) weight the cross-entropy, or None.

    Optimisation is manual, so that joint and alternating phases share the code: a group of passes, then a step.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, recipe: Recipe, num_classes: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network, self.recipe = network, recipe
        self.losses = StepLosses(recipe, network, num_classes, class_weights)
        self.fill = fill_values(recipe.attention.fill, recipe.data.mean, recipe.data.std)
        self.register_buffer("mean", channel_values(recipe.data.mean), persistent=False)
        self.register_buffer("std", channel_values(recipe.data.std), persistent=False)
        self.validation_outputs: list[tuple[Tensor, Tensor, Tensor]] = []

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) uint8 -> input of the network, float32, channels last."""
        return normalise_images(images, self.mean, self.std)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set seed and learning rate by (epoch, step) only: a resumed run repeats one that was never stopped."""
        seed = np.random.SeedSequence((self.recipe.seed, self.current_epoch, batch_idx, self.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))
        epoch = self.current_epoch + batch_idx / self.trainer.num_training_batches
        factor = learning_rate_factor(self.recipe.optimisation, epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = factor * self.recipe.optimisation.learning_rate * group["lr_scale"]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take one optimiser step (joint phases) or two (alternating phases, section 2.3)."""
        for group in self.losses(self.network, self.normalise(batch[0]), batch[1], self.fill):
            for stream, loss in group.items():
                name = f"train_loss_{stream}"
                self.log(name, loss.detach(), on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
            self._optimiser_step(torch.stack(list(group.values())).mean())

    def _optimiser_step(self, loss: Tensor) -> None:
        optimiser: Any = self.optimizers()
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Predict as at test time, without randomness; collect scores, predicted and true labels."""
        scores, predicted = self.predict(self.normalise(batch[0]))
        self.validation_outputs.append((scores.float().cpu(), predicted.cpu(), batch[1].cpu()))

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (B, 3, S, S) -> scores (B, K), the mean softmax, and predicted labels (B,).

        One view of each image, whatever `test_time.views` is: validation comes after every epoch.
        """
        options = self.recipe.test_time.model_dump(exclude={"fill", "views"})
        if not isinstance(self.network, WTDFN):
            options["streams"] = ("raw",)
        fill = fill_values(self.recipe.test_time.fill, self.recipe.data.mean, self.recipe.data.std)
        prediction = predict_ternary(self.network, images, fill=fill, **options)
        return prediction.scores, prediction.labels

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics; every process validates all cells, so all agree on when to stop."""
        scores, predicted, labels = (torch.cat(part).numpy() for part in zip(*self.validation_outputs, strict=True))
        self.validation_outputs.clear()
        classes = np.arange(scores.shape[1])
        scores = scores.astype(np.float64)
        self.log_dict(
            {
                "validation_loss": log_loss(labels, scores / scores.sum(axis=1, keepdims=True), labels=classes),
                "validation_accuracy": accuracy_score(labels, predicted),
                "validation_weighted_f1": f1_score(labels, predicted, average="weighted", zero_division=0.0),
            }
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Create the optimiser of the recipe."""
        return create_optimiser(self.network, self.recipe.optimisation)
