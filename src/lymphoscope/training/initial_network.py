"""The network before training: its classes, its initial weights, and what can be checked before any work."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.backbones import Backbone, CutBackbone
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import build_network, load_description, load_network
from lymphoscope.training.hardware import check_hardware
from lymphoscope.training.recipe import Recipe
from lymphoscope.vocabulary import find_blast_class, prediction_columns


def select_blast_class(recipe: Recipe, classes: Sequence[str]) -> str | None:
    """Return the blast class: the recipe's, or the class with a common name of blasts, or None.

    Raises LymphoscopeError if the recipe names a class that the data do not have.
    """
    if recipe.blast_class is None:
        return find_blast_class(classes)
    if recipe.blast_class not in classes:
        raise LymphoscopeError(
            f"`blast_class`: {recipe.blast_class!r} is not a class of the data ({', '.join(classes)})"
        )
    return recipe.blast_class


def check_recipe(recipe: Recipe, classes: Sequence[str]) -> None:
    """Check the network of a recipe against the data, without computing or downloading anything.

    Raises LymphoscopeError for fewer than two classes, for class names that are the names of other columns of the
    predictions (`vote`), for titles of unknown classes, for an unknown blast class, backbone or stage, for hardware
    that is not here, and for initial weights that are not a model.
    """
    if len(classes) < 2:
        raise LymphoscopeError(f"training needs two classes or more; the data have {', '.join(classes) or 'none'}")
    prediction_columns(classes)
    select_blast_class(recipe, classes)
    if unknown := sorted(set(recipe.class_titles) - set(classes)):
        raise LymphoscopeError(f"`class_titles`: {unknown[0]!r} is not a class of the data ({', '.join(classes)})")
    with torch.device("meta"):
        _freeze(build_network(recipe.architecture(), len(classes)), recipe)
    check_hardware(recipe.hardware)
    if recipe.model.initial_weights is not None:
        load_description(Path(recipe.model.initial_weights))


def build_initial_network(recipe: Recipe, num_classes: int) -> nn.Module:
    """Create the network of a recipe with new weights (from its seed), ImageNet weights, or those of another model."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.architecture(), num_classes, pretrained=recipe.model.pretrained)
    if recipe.model.initial_weights is not None:
        _copy_weights(network, Path(recipe.model.initial_weights))
    _freeze(network, recipe)
    return network


def _freeze(network: nn.Module, recipe: Recipe) -> None:
    """Freeze the whole backbone, or its first stages, as the recipe says."""
    backbone = network.get_submodule("backbone")
    assert isinstance(backbone, Backbone)  # noqa: S101  # as `build_network` creates it
    if recipe.model.freeze:
        backbone.freeze()
    elif recipe.model.frozen_stages is not None:
        if not isinstance(backbone, CutBackbone):
            raise LymphoscopeError("`model.frozen_stages` needs `model.features`: name the last stage to be used")
        backbone.freeze_through(recipe.model.frozen_stages)


def balanced_class_weights(shares: NDArray[np.float64]) -> Tensor:
    """Return class weights (K,) for the cross-entropy: N / (K * n_k), scikit-learn's `balanced`.

    `shares` (N, K) are how much each cell counts for each class.
    """
    counts = torch.tensor(shares.sum(axis=0)).float()
    weights: Tensor = len(shares) / (shares.shape[1] * counts.clamp(min=1))
    return weights


def _copy_weights(network: nn.Module, folder: Path) -> None:
    """Copy all weights of a model except the classifier's, which belongs to the other model's classes."""
    source, description = load_network(folder)
    own = network.state_dict()
    weights = {name: value for name, value in source.state_dict().items() if _is_copied(name, own)}
    if missing := [name for name in own if name.endswith("running_mean") and name not in weights]:
        raise LymphoscopeError(
            f"`model.initial_weights`: {folder} has no batch norm to start from ({missing[0]}): set `model.norm: group`"
        )
    mismatched = [name for name, value in weights.items() if name not in own or own[name].shape != value.shape]
    if mismatched:
        backbone = description.architecture.backbone
        raise LymphoscopeError(f"`model.initial_weights`: {folder} is a {backbone} of another shape ({mismatched[0]})")
    network.load_state_dict(weights, strict=False)


def _is_copied(name: str, own: Mapping[str, Tensor]) -> bool:
    """Statistics of batch norm are left out where the new network has none (`model.norm`)."""
    is_statistic = name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
    return not name.startswith("classifier.") and (name in own or not is_statistic)
