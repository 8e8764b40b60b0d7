"""The vote of the streams (Eq. 5).

The one check on numbers: that they are numbers.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.errors import LymphoscopeError

NO_VOTE = -1


def stream_votes(stream_probabilities: Tensor) -> Tensor:
    """Label that each stream votes for, (S, B, K) -> (S, B) int64; -1 where the probabilities are NaN (skipped)."""
    skipped = stream_probabilities.isnan().any(dim=2)
    return stream_probabilities.argmax(dim=2).masked_fill(skipped, NO_VOTE)


def plurality_vote(stream_probabilities: Tensor) -> Tensor:
    """Label with most votes, (S, B, K) -> (B,) int64; streams of NaN do not vote (Eq. 5).

    A tie goes to the tied label of highest mean softmax over the streams that voted, then to the earliest stream (raw
    comes first). -1 for an image with no vote at all.
    """
    votes = stream_votes(stream_probabilities)  # (S, B)
    voted = votes != NO_VOTE
    ballots = F.one_hot(votes.clamp(min=0), stream_probabilities.shape[2]) * voted[:, :, None]
    counts = ballots.sum(dim=0)  # (B, K)
    leading = counts == counts.amax(dim=1, keepdim=True)
    means = stream_probabilities.nanmean(dim=0).masked_fill(~leading, -torch.inf)
    best = means == means.amax(dim=1, keepdim=True)
    elects = (ballots.bool() & best).any(dim=2)  # (S, B): the stream's label is among the best
    first = elects.to(torch.uint8).argmax(dim=0, keepdim=True)
    return votes.gather(0, first)[0]


def check_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinity in a tensor of any shape, saying in one line what holds them.

    Raises LymphoscopeError. On CUDA asserts on the device instead, so that nothing waits for it: the device prints
    the line, and the next operation that does wait raises (nothing here waits for the device).
    A graph that is exported holds no check.
    """
    if torch.compiler.is_exporting():
        return
    finite = values.isfinite().all()
    message = f"{what}: NaN or infinity; lower the learning rate, or use float32 instead of half precision"
    if values.device.type == "cuda":
        torch._assert_async(finite, message)
    elif not finite:
        raise LymphoscopeError(message)
