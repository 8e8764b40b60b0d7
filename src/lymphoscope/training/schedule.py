"""The learning rate of each epoch, as a factor of the recipe's (section 3.1)."""

import math

from lymphoscope.training.recipe import OptimisationRecipe


def learning_rate_factor(recipe: OptimisationRecipe, epoch: float) -> float:
    """Linear warm-up from near zero, then x`decay` every `decay_every` epochs or a cosine to zero.

    `epoch` counts from zero and may be a fraction: warm-up rises with every step.
    """
    if epoch < recipe.warmup_epochs:
        return (epoch + 1e-3) / recipe.warmup_epochs
    past = epoch - recipe.warmup_epochs
    if recipe.schedule == "steps":
        return float(recipe.decay ** (int(past) // recipe.decay_every))
    return 0.5 * (1.0 + math.cos(math.pi * min(past / max(recipe.epochs - recipe.warmup_epochs, 1), 1.0)))
