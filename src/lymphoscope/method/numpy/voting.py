"""The vote of the streams in NumPy (Eq. 5): the arithmetic of `lymphoscope.method.voting`, without torch."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError

NO_VOTE = -1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StreamOutputs:
    """The streams and their vote for B cells and K classes (Eq. 5, Algorithm 1)."""

    labels: NDArray[np.int64]
    """(B,) the vote, an index of the classes."""
    scores: NDArray[np.float32]
    """(B, K) mean softmax of the streams that were used."""
    probabilities: NDArray[np.float32]
    """(3, B, K) softmax of each of evaluation's STREAMS, NaN where it was skipped."""
    votes: NDArray[np.int64]
    """(3, B) the label of each of evaluation's STREAMS, -1 where it was skipped."""
    agreement: NDArray[np.float32]
    """(B,) share of the streams used that voted for the label."""
    boxes: NDArray[np.int64] | None
    """(B, 4) top, left, bottom, right of the crop in pixels of the fitted cell, half open; None without that stream."""
    features: NDArray[np.float32] | None = None
    """(B, C) the raw cell's last feature map, averaged over (h, w); None where the runtime does not give it."""


def softmax(logits: Floats) -> Floats:
    """Softmax over the classes of (B, K)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def stream_votes(probabilities: Floats) -> NDArray[np.int64]:
    """Label that each stream votes for, (S, B, K) -> (S, B); -1 where the probabilities are NaN (skipped)."""
    skipped: NDArray[np.bool_] = np.any(np.isnan(probabilities), axis=2)
    return np.where(skipped, NO_VOTE, np.where(skipped[:, :, None], 0, probabilities).argmax(axis=2))


def mean_scores(probabilities: Floats) -> Floats:
    """Mean of the streams that were not skipped, (S, B, K) -> (B, K)."""
    used = (~np.isnan(probabilities)).sum(axis=0)
    scores: Floats = np.nansum(probabilities, axis=0) / used.astype(np.float32)
    return scores


def plurality_vote(probabilities: Floats) -> NDArray[np.int64]:
    """Label with most votes, (S, B, K) -> (B,); a tie goes to the highest mean softmax, then to the earliest stream."""
    votes = stream_votes(probabilities)
    classes = np.arange(probabilities.shape[2])
    ballots = np.equal(votes[:, :, None], classes)  # (S, B, K)
    counts = ballots.sum(axis=0)
    leading: NDArray[np.bool_] = counts == counts.max(axis=1, keepdims=True)
    means = np.where(leading, mean_scores(probabilities), -np.inf)
    best: NDArray[np.bool_] = means == means.max(axis=1, keepdims=True)
    first = (ballots & best).any(axis=2).argmax(axis=0)  # (B,) the earliest stream whose label is among the best
    labels: NDArray[np.int64] = np.take_along_axis(votes, first[None], axis=0)[0]
    return labels


def decided(
    probabilities: Floats, decision: Literal["vote", "mean"], boxes: NDArray[np.int64] | None, features: Floats
) -> StreamOutputs:
    """What Algorithm 1 makes of the streams' softmax (3, B, K)."""
    scores, votes = mean_scores(probabilities), stream_votes(probabilities)
    labels = plurality_vote(probabilities) if decision == "vote" else scores.argmax(axis=1)
    agreement = (votes == labels).sum(axis=0) / (votes != NO_VOTE).sum(axis=0)
    return StreamOutputs(labels, scores, probabilities, votes, agreement.astype(np.float32), boxes, features)


def check_finite(values: NDArray[Any], what: str) -> None:
    """Refuse NaN and infinity; raises LymphoscopeError."""
    if not np.isfinite(values).all():
        raise LymphoscopeError(f"{what}: NaN or infinity; use float32, or train with a lower learning rate")
