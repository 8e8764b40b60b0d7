"""Orientations of a batch over which predictions are averaged, in torch. Twin: `method/numpy/orientations.py`."""

from collections.abc import Iterator

from torch import Tensor

from lymphoscope.method.numpy.orientations import check_views


def oriented_views(images: Tensor, views: int) -> Iterator[Tensor]:
    """Yield the first `views` orientations of square images (B, 3, S, S), each (B, 3, S, S), the images first.

    2: as they are and mirrored left to right. 4: also upside down and both. 8: the same transposed.
    Raises LymphoscopeError if `views` is not 1, 2, 4 or 8.
    """
    check_views(views)
    for view in range(views):
        turned = images.transpose(2, 3) if view & 4 else images
        axes = [axis for bit, axis in ((1, 3), (2, 2)) if view & bit]
        yield turned.flip(axes) if axes else turned
