"""The vote of the streams (Eq. 5), and the check that numbers are finite, in NumPy. Torch twin: `method/voting.py`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import Decision

NO_VOTE = -1
"""The vote of a stream that was skipped."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StreamOutputs:
    """The outputs of the streams and their vote for B cells and K classes (Eq. 5, Algorithm 1)."""

    labels: NDArray[np.int64]
    """(B,) the predicted class, an index."""
    scores: NDArray[np.float32]
    """(B, K) mean softmax of the streams used."""
    probabilities: NDArray[np.float32]
    """(3, B, K) softmax of each of `STREAMS`, NaN where it was skipped."""
    votes: NDArray[np.int64]
    """(3, B) predicted class of each of `STREAMS`, -1 where it was skipped."""
    agreement: NDArray[np.float32]
    """(B,) share of the streams used that voted for the label."""
    boxes: NDArray[np.int64] | None
    """(B, 4) top, left, bottom, right of the crop in pixels of the fitted cell, half open; None without that stream."""
    features: NDArray[np.float32] | None = None
    """(B, C) mean of the raw cell's last feature map over (h, w); None where the runtime does not return it."""


def softmax(logits: Floats) -> Floats:
    """Return the softmax of logits (B, K) over the classes."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def stream_votes(probabilities: Floats) -> NDArray[np.int64]:
    """Return the label that each stream votes for, (S, B, K) -> (S, B); -1 where it is NaN (skipped)."""
    skipped: NDArray[np.bool_] = np.any(np.isnan(probabilities), axis=2)
    return np.where(skipped, NO_VOTE, np.where(skipped[:, :, None], 0, probabilities).argmax(axis=2))


def mean_scores(probabilities: Floats) -> Floats:
    """Return the mean of the streams that were not skipped, (S, B, K) -> (B, K)."""
    used = (~np.isnan(probabilities)).sum(axis=0)
    scores: Floats = np.nansum(probabilities, axis=0) / used.astype(np.float32)
    return scores


def plurality_vote(probabilities: Floats) -> NDArray[np.int64]:
    """Return the label with the most votes, (S, B, K) -> (B,); streams of NaN do not vote (Eq. 5).

    A tie goes to the tied label with the highest mean softmax, then to the earliest stream.
    """
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


def combine_streams(
    probabilities: Floats, decision: Decision, boxes: NDArray[np.int64] | None, features: Floats
) -> StreamOutputs:
    """Decide by the streams' softmax (3, B, K), by vote or by mean (Algorithm 1)."""
    scores, votes = mean_scores(probabilities), stream_votes(probabilities)
    labels = plurality_vote(probabilities) if decision == "vote" else scores.argmax(axis=1)
    agreement = (votes == labels).sum(axis=0) / (votes != NO_VOTE).sum(axis=0)
    return StreamOutputs(labels, scores, probabilities, votes, agreement.astype(np.float32), boxes, features)


def check_finite(values: NDArray[Any], what: str) -> None:
    """Raise LymphoscopeError if an array contains NaN or infinity; `what` names it in the message."""
    if not np.isfinite(values).all():
        raise LymphoscopeError(f"{what}: NaN or infinity; use float32, or train with a lower learning rate")
