"""The method of the paper, and only the method: tensors in, tensors out."""

from lymphoscope.method.attention import (
    Fill,
    GuidingMap,
    MapDraw,
    attention_crop,
    attention_erase,
    draw_maps,
    fill_values,
    normalize_maps,
    test_map,
)
from lymphoscope.method.network import WTDFN, FeatureExtractor, PlainNetwork
from lymphoscope.method.pooling import BilinearAttentionPooling
from lymphoscope.method.ternary import STREAMS, Stream, TernaryPrediction, predict_ternary
from lymphoscope.method.voting import plurality_vote, stream_votes

__all__ = [
    "STREAMS",
    "WTDFN",
    "BilinearAttentionPooling",
    "FeatureExtractor",
    "Fill",
    "GuidingMap",
    "MapDraw",
    "PlainNetwork",
    "Stream",
    "TernaryPrediction",
    "attention_crop",
    "attention_erase",
    "draw_maps",
    "fill_values",
    "normalize_maps",
    "plurality_vote",
    "predict_ternary",
    "stream_votes",
    "test_map",
]
