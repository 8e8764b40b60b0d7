"""Where a training starts: its classes, its network, and the weights that the network begins with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from lymphoscope.backbones import Backbone
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import build_network, load_description, load_network
from lymphoscope.training.recipe import Recipe
from lymphoscope.vocabulary import find_blast_class


def blast_class_of(recipe: Recipe, classes: Sequence[str]) -> str | None:
    """The blast class: the recipe's, or the class whose name says so, or None where no class is one.

    Raises LymphoscopeError when the recipe names a class that the data do not have.
    """
    if recipe.blast_class is None:
        return find_blast_class(classes)
    if recipe.blast_class not in classes:
        raise LymphoscopeError(
            f"`blast_class`: {recipe.blast_class!r} is not a class of the data ({', '.join(classes)})"
        )
    return recipe.blast_class


def check_start(recipe: Recipe, classes: Sequence[str]) -> None:
    """Find what is wrong with a recipe's network before any work: nothing is computed or downloaded.

    Raises LymphoscopeError for an unknown blast class or backbone, and for initial weights that are no model.
    """
    blast_class_of(recipe, classes)
    with torch.device("meta"):
        build_network(recipe.architecture(), len(classes))
    if recipe.model.initial_weights is not None:
        load_description(Path(recipe.model.initial_weights))


def starting_network(recipe: Recipe, num_classes: int) -> nn.Module:
    """The network of a recipe with fresh weights (from its seed), ImageNet's, or those of another model."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.architecture(), num_classes, pretrained=recipe.model.pretrained)
    if recipe.model.initial_weights is not None:
        _take_over(network, Path(recipe.model.initial_weights))
    if recipe.model.freeze:
        backbone = network.get_submodule("backbone")
        assert isinstance(backbone, Backbone)  # noqa: S101  # as `build_network` makes it
        backbone.freeze()
    return network


def _take_over(network: nn.Module, folder: Path) -> None:
    """Copy all weights but the classifier's, which belongs to the other model's classes."""
    other, description = load_network(folder)
    own = network.state_dict()
    given = {name: value for name, value in other.state_dict().items() if _is_taken(name, own)}
    if lacking := [name for name in own if name.endswith("running_mean") and name not in given]:
        raise LymphoscopeError(
            f"`model.initial_weights`: {folder} has no batch norm to start from ({lacking[0]}): set `model.norm: group`"
        )
    unfit = [name for name, value in given.items() if name not in own or own[name].shape != value.shape]
    if unfit:
        backbone = description.architecture.backbone
        raise LymphoscopeError(f"`model.initial_weights`: {folder} is a {backbone} of another shape ({unfit[0]})")
    network.load_state_dict(given, strict=False)


def _is_taken(name: str, own: Mapping[str, Tensor]) -> bool:
    """Statistics of batch norm are left behind where the new network keeps none (`model.norm`)."""
    is_statistic = name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
    return not name.startswith("classifier.") and (name in own or not is_statistic)


def balanced_weights(labels: Sequence[int], num_classes: int) -> Tensor:
    """Class weights (K,) for the cross-entropy: N / (K * n_k), scikit-learn's `balanced`."""
    counts = torch.bincount(torch.tensor(labels), minlength=num_classes)
    return len(labels) / (num_classes * counts.clamp(min=1).float())
