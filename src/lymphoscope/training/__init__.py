"""Recipes and their training: the two passes, the optimiser, checkpoints that a killed run goes on from."""

from lymphoscope.training.batches import resolved_fit
from lymphoscope.training.optimiser import Ranger, centralize_gradients
from lymphoscope.training.recipe import Recipe
from lymphoscope.training.recipe_files import load_recipe, parse_recipe, preset_names, recipe_yaml
from lymphoscope.training.start import blast_class_of, check_start
from lymphoscope.training.step import measured_step
from lymphoscope.training.train import Folders, train

__all__ = [
    "Folders",
    "Ranger",
    "Recipe",
    "blast_class_of",
    "centralize_gradients",
    "check_start",
    "load_recipe",
    "measured_step",
    "parse_recipe",
    "preset_names",
    "recipe_yaml",
    "resolved_fit",
    "train",
]
