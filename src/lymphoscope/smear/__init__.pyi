from .cell_classes import (
    CELL_CLASSES as CELL_CLASSES,
    CellClass as CellClass,
    Counting as Counting,
    cell_class as cell_class,
)
from .cell_features import read_features as read_features
from .detection import Detections as Detections, Detector as Detector, load_detector as load_detector
from .differential import Count as Count, Differential as Differential, differential_count as differential_count
from .field_inputs import FieldInput as FieldInput, find_fields as find_fields
from .quality import TileQuality as TileQuality, tile_quality as tile_quality
from .records import FieldRecord as FieldRecord, SmearRecord as SmearRecord, TileRecord as TileRecord
from .run import RunOptions as RunOptions, SmearResult as SmearResult, run_smear as run_smear
from .scale import ScaleEstimate as ScaleEstimate, estimate_scale as estimate_scale
from .segmentation import CellMasks as CellMasks, segment_cell as segment_cell
from .terminal_summary import describe_result as describe_result

__all__ = [
    "CELL_CLASSES",
    "CellClass",
    "CellMasks",
    "Count",
    "Counting",
    "Detections",
    "Detector",
    "Differential",
    "FieldInput",
    "FieldRecord",
    "RunOptions",
    "ScaleEstimate",
    "SmearRecord",
    "SmearResult",
    "TileQuality",
    "TileRecord",
    "cell_class",
    "describe_result",
    "differential_count",
    "estimate_scale",
    "find_fields",
    "load_detector",
    "read_features",
    "run_smear",
    "segment_cell",
    "tile_quality",
]
