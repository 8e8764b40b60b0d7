from .attention import (
    Fill as Fill,
    MapDraw as MapDraw,
    attention_crop as attention_crop,
    attention_erase as attention_erase,
    draw_maps as draw_maps,
    fill_values as fill_values,
    normalize_maps as normalize_maps,
    test_map as test_map,
)
from .network import WTDFN as WTDFN, FeatureExtractor as FeatureExtractor, PlainNetwork as PlainNetwork
from .orientations import oriented_views as oriented_views
from .pooling import BilinearAttentionPooling as BilinearAttentionPooling
from .ternary import TernaryPrediction as TernaryPrediction, predict_ternary as predict_ternary
from .voting import check_finite as check_finite, plurality_vote as plurality_vote, stream_votes as stream_votes

__all__ = [
    "WTDFN",
    "BilinearAttentionPooling",
    "FeatureExtractor",
    "Fill",
    "MapDraw",
    "PlainNetwork",
    "TernaryPrediction",
    "attention_crop",
    "attention_erase",
    "check_finite",
    "draw_maps",
    "fill_values",
    "normalize_maps",
    "oriented_views",
    "plurality_vote",
    "predict_ternary",
    "stream_votes",
    "test_map",
]
