from .registry import (
    NO_STAIN_METHOD as NO_STAIN_METHOD,
    StainMethod as StainMethod,
    StainStatistics as StainStatistics,
    get_stain_method as get_stain_method,
    stain_method as stain_method,
    stain_method_names as stain_method_names,
)

__all__ = [
    "NO_STAIN_METHOD",
    "StainMethod",
    "StainStatistics",
    "get_stain_method",
    "stain_method",
    "stain_method_names",
]
