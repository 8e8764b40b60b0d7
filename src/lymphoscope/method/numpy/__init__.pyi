from .attention import (
    crop_boxes as crop_boxes,
    normalized_maps as normalized_maps,
    write_crops as write_crops,
    write_erased as write_erased,
)
from .buffers import BufferPool as BufferPool, ThreadLocalBufferPool as ThreadLocalBufferPool
from .orientations import oriented_views as oriented_views
from .voting import (
    NO_VOTE as NO_VOTE,
    StreamOutputs as StreamOutputs,
    check_finite as check_finite,
    combine_streams as combine_streams,
    mean_scores as mean_scores,
    plurality_vote as plurality_vote,
    softmax as softmax,
    stream_votes as stream_votes,
)

__all__ = [
    "NO_VOTE",
    "BufferPool",
    "StreamOutputs",
    "ThreadLocalBufferPool",
    "check_finite",
    "combine_streams",
    "crop_boxes",
    "mean_scores",
    "normalized_maps",
    "oriented_views",
    "plurality_vote",
    "softmax",
    "stream_votes",
    "write_crops",
    "write_erased",
]
