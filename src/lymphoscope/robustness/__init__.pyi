from .corruption_scores import measure_corruptions as measure_corruptions
from .corruptions import CORRUPTIONS as CORRUPTIONS, LEVELS as LEVELS, corrupt_image as corrupt_image
from .saliency_curves import MAP_TITLES as MAP_TITLES
from .saliency_overlap import measure_overlap as measure_overlap, read_outlined_cells as read_outlined_cells
from .saliency_scores import measure_saliency as measure_saliency

__all__ = [
    "CORRUPTIONS",
    "LEVELS",
    "MAP_TITLES",
    "corrupt_image",
    "measure_corruptions",
    "measure_overlap",
    "measure_saliency",
    "read_outlined_cells",
]
