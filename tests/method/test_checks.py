"""The check on numbers."""

import pytest
import torch

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.voting import check_finite


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_refuses_what_is_no_number_in_one_line(bad: float) -> None:
    values = torch.zeros(2, 3)
    values[1, 2] = bad
    with pytest.raises(LymphoscopeError, match=r"^logits: NaN or infinity; .*$") as refusal:
        check_finite(values, "logits")
    assert "\n" not in str(refusal.value)


def test_takes_numbers(device: str) -> None:
    check_finite(torch.tensor([0.0, -1e30, 1e-45], device=device), "maps")
    check_finite(torch.zeros(0, device=device), "nothing")
