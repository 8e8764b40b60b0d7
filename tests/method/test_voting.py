"""The vote against counting by hand."""

from collections import Counter

import numpy as np
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from lymphoscope.method import check_finite, plurality_vote, stream_votes


def by_hand(probabilities: NDArray[np.float64]) -> int:
    """(S, K) of one image -> label."""
    voting = [stream for stream in probabilities if not np.isnan(stream).any()]
    if not voting:
        return -1
    votes = [int(np.argmax(stream)) for stream in voting]
    most = max(Counter(votes).values())
    tied = [label for label in votes if Counter(votes)[label] == most]
    mean = np.mean(voting, axis=0)
    best = max(mean[label] for label in tied)
    return next(label for label in tied if mean[label] == best)


@st.composite
def streams(draw: st.DrawFn) -> torch.Tensor:
    """(S, B, K) in eighths, so that equal means are exact and frequent; some streams skipped."""
    count, batch, classes = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(2, 8))
    cells = st.lists(st.integers(0, 8), min_size=classes, max_size=classes)
    values = draw(st.lists(st.one_of(cells, st.none()), min_size=count * batch, max_size=count * batch))
    rows = [[float("nan")] * classes if row is None else [value / 8 for value in row] for row in values]
    return torch.tensor(rows).reshape(count, batch, classes)


@given(streams())
def test_vote_equals_counting_by_hand(probabilities: torch.Tensor) -> None:
    expected = [by_hand(image) for image in probabilities.double().numpy().transpose(1, 0, 2)]
    labels = plurality_vote(probabilities)
    assert labels.dtype == torch.int64
    assert labels.tolist() == expected


def test_ties_go_to_the_highest_mean_and_then_to_the_earliest_stream(device: str) -> None:
    probabilities = torch.tensor(
        [
            [[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.6, 0.4, 0.0]],
            [[0.4, 0.6, 0.0], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.2, 0.8, 0.0]],
            [[0.4, 0.6, 0.0], [0.0, 0.1, 0.9], [0.3, 0.3, 0.4], [torch.nan] * 3],
        ],
        device=device,
    )
    # Two of three agree; three labels: the highest mean; three labels with equal means: raw; two streams: the mean.
    assert plurality_vote(probabilities).tolist() == [1, 2, 0, 1]
    assert stream_votes(probabilities).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [1, 2, 2, -1]]


@given(streams())
def test_a_third_stream_cannot_change_a_label_that_two_agree_on(probabilities: torch.Tensor) -> None:
    three = torch.cat([probabilities[:1], probabilities[:1], probabilities[-1:]])
    agreed = stream_votes(three)[0]
    two_first = plurality_vote(three[:2])
    voted = agreed >= 0
    assert torch.equal(plurality_vote(three)[voted], agreed[voted])
    assert torch.equal(two_first, agreed)


def test_check_finite_accepts_finite_numbers(device: str) -> None:
    check_finite(torch.tensor([0.0, -1e30, 1e-45], device=device), "maps")
    check_finite(torch.zeros(0, device=device), "an empty tensor")
