"""The vote of the streams (Eq. 5), and the check that numbers are finite, in torch. Twin: `method/numpy/voting.py`."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.numpy.voting import NO_VOTE


def stream_votes(stream_probabilities: Tensor) -> Tensor:
    """Return the label that each stream votes for, (S, B, K) -> (S, B) int64; -1 where it is NaN (skipped)."""
    skipped = stream_probabilities.isnan().any(dim=2)
    return stream_probabilities.argmax(dim=2).masked_fill(skipped, NO_VOTE)


def plurality_vote(stream_probabilities: Tensor) -> Tensor:
    """Return the label with the most votes, (S, B, K) -> (B,) int64; streams of NaN do not vote (Eq. 5).

    A tie goes to the tied label with the highest mean softmax over the streams that voted, then to the earliest stream
    (raw comes first). -1 for an image without any vote.
    """
    votes = stream_votes(stream_probabilities)  # (S, B)
    voted = votes != NO_VOTE
    ballots = F.one_hot(votes.clamp(min=0), stream_probabilities.shape[2]) * voted[:, :, None]
    counts = ballots.sum(dim=0)  # (B, K)
    leading = counts == counts.amax(dim=1, keepdim=True)
    means = stream_probabilities.nanmean(dim=0).masked_fill(~leading, -torch.inf)
    best = means == means.amax(dim=1, keepdim=True)
    wins = (ballots.bool() & best).any(dim=2)  # (S, B): the stream's label is among the best
    first = wins.to(torch.uint8).argmax(dim=0, keepdim=True)
    return votes.gather(0, first)[0]


def check_finite(values: Tensor, what: str) -> None:
    """Raise LymphoscopeError if a tensor of any shape contains NaN or infinity; `what` names it in the message.

    On CUDA the check is an assertion on the device, so that it does not synchronise: the device prints the message,
    and the next operation that synchronises raises. An exported graph contains no check.
    """
    if torch.compiler.is_exporting():
        return
    finite = values.isfinite().all()
    message = f"{what}: NaN or infinity; lower the learning rate, or use float32 instead of half precision"
    if values.device.type == "cuda":
        torch._assert_async(finite, message)
    elif not finite:
        raise LymphoscopeError(message)
