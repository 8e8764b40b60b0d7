from .corruption_scores import measure_corruptions as measure_corruptions
from .saliency_maps import measure_saliency as measure_saliency

__all__ = ["measure_corruptions", "measure_saliency"]
