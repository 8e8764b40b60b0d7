from .batches import resolve_geometry as resolve_geometry
from .optimiser import Ranger as Ranger, centralize_gradients as centralize_gradients
from .recipe import Recipe as Recipe
from .recipe_files import (
    load_recipe as load_recipe,
    parse_recipe as parse_recipe,
    preset_names as preset_names,
    recipe_yaml as recipe_yaml,
)
from .start import blast_class_of as blast_class_of, check_start as check_start
from .step import measured_step as measured_step
from .train import Folders as Folders, train as train

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
    "resolve_geometry",
    "train",
]
