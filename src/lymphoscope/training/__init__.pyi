from .batches import resolve_geometry as resolve_geometry
from .hardware import resolve_device as resolve_device, resolve_precision as resolve_precision
from .initial_network import check_recipe as check_recipe, select_blast_class as select_blast_class
from .optimiser import Ranger as Ranger, centralize_gradients as centralize_gradients
from .recipe import Recipe as Recipe
from .recipe_files import (
    load_recipe as load_recipe,
    parse_recipe as parse_recipe,
    preset_names as preset_names,
    recipe_yaml as recipe_yaml,
)
from .step_time import StepTime as StepTime, TimedStep as TimedStep, measure_step as measure_step
from .train import TrainingFolders as TrainingFolders, train_model as train_model

__all__ = [
    "Ranger",
    "Recipe",
    "StepTime",
    "TimedStep",
    "TrainingFolders",
    "centralize_gradients",
    "check_recipe",
    "load_recipe",
    "measure_step",
    "parse_recipe",
    "preset_names",
    "recipe_yaml",
    "resolve_device",
    "resolve_geometry",
    "resolve_precision",
    "select_blast_class",
    "train_model",
]
