from .cell_classes import (
    CELL_CLASSES as CELL_CLASSES,
    CellClass as CellClass,
    Counting as Counting,
    cell_class as cell_class,
)
from .detection import Detections as Detections, Detector as Detector, load_detector as load_detector
from .differential import Count as Count, Differential as Differential, differential_count as differential_count
from .field_inputs import FieldInput as FieldInput, find_fields as find_fields
from .records import FieldRecord as FieldRecord, SmearRecord as SmearRecord, TileRecord as TileRecord
from .run import RunOptions as RunOptions, SmearResult as SmearResult, run_smear as run_smear
from .terminal_summary import describe_result as describe_result

__all__ = [
    "CELL_CLASSES",
    "CellClass",
    "Count",
    "Counting",
    "Detections",
    "Detector",
    "Differential",
    "FieldInput",
    "FieldRecord",
    "RunOptions",
    "SmearRecord",
    "SmearResult",
    "TileRecord",
    "cell_class",
    "describe_result",
    "differential_count",
    "find_fields",
    "load_detector",
    "run_smear",
]
