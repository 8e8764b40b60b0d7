"""Parameters and multiply-adds of a network, counted without computing it, and compared with printed ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lymphoscope.model_file import Architecture

PAPER_SIZE = 300
"""Pixels of the network's input in the paper."""
_IMAGENET_CLASSES = 1000
_HALF_DIGIT = 0.005 + 1e-9


def network_counts(architecture: "Architecture", num_classes: int, size: int = PAPER_SIZE) -> dict[str, int]:
    """Parameters, and multiply-adds of one pass and of a prediction at `size` pixels. Nothing is computed."""
    from lymphoscope.backbones import count_parameters, multiply_adds

    network = network_on_meta(architecture, num_classes)
    one = multiply_adds(network, size)
    passes = 3 if architecture.head == "attention" else 1
    return {"parameters": count_parameters(network), "multiply_adds": one, "multiply_adds_three": passes * one}


def network_on_meta(architecture: "Architecture", num_classes: int) -> Any:
    """Return the network without memory for its weights."""
    import torch

    from lymphoscope.model_file import build_network

    with torch.device("meta"):
        return build_network(architecture, num_classes)


def compare_counts(counted: int, printed: float, head_inputs: int, num_classes: int = 2) -> str:
    """How an exact count compares with what the paper prints, in millions to two decimals.

    `head_inputs` is the backbone's channels: a linear head of `num_classes`, or of ImageNet's thousand, may have stayed
    in the paper's count.
    """
    own_head = head_inputs * num_classes + num_classes
    imagenet_head = head_inputs * _IMAGENET_CLASSES + _IMAGENET_CLASSES
    if _prints_as(counted, printed):
        return "agrees"
    if _prints_as(counted + own_head, printed):
        return f"agrees with the unused two-class head in the count ({own_head:,})"
    if _prints_as(counted + imagenet_head, printed):
        return f"agrees with an unused 1000-class head in the count ({imagenet_head:,}): arithmetic, not a finding"
    if abs(counted / 1e6 - printed) <= 0.01 + 1e-9:
        return (
            f"not to the last digit: {counted / 1e6:.2f} M is counted, {printed:.2f} M printed; "
            f"an unused two-class head ({own_head:,}) does not explain it ({(counted + own_head) / 1e6:.4f} M)"
        )
    return f"not reproduced: {counted / 1e6 - printed:+.2f} M"


def _prints_as(count: int, printed: float) -> bool:
    return abs(count / 1e6 - printed) <= _HALF_DIGIT
