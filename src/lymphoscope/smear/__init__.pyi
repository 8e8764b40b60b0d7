from .cell_classes import (
    CELL_CLASSES as CELL_CLASSES,
    CellClass as CellClass,
    Counting as Counting,
    cell_class as cell_class,
)
from .detection import Detections as Detections, Detector as Detector, load_detector as load_detector

__all__ = [
    "CELL_CLASSES",
    "CellClass",
    "Counting",
    "Detections",
    "Detector",
    "cell_class",
    "load_detector",
]
