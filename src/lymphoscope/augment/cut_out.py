"""CutOut (DeVries & Taylor 2017): a square whose centre may lie anywhere, so that the border clips it."""

from torch import Tensor

from lymphoscope.augment.draws import Seed, generator_of
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 3


class CutOut:
    """Paint over a square of `cut_out_side` of the image's side, in `fill` (RGB, 0-255), in every image."""

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.side, self.fill = settings.cut_out_side, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        height, width = image.shape[1:]
        top, bottom, left, right = cut_box(height, width, self.side, seed)
        painted = image.clone()
        painted[:, top:bottom, left:right] = self.fill
        return painted


def cut_box(height: int, width: int, side: float, seed: Seed) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of the square within the image; its centre is drawn evenly over the pixels."""
    length = max(1, round(side * min(height, width)))
    row, column = generator_of(seed, PURPOSE).integers((height, width))
    top, left = int(row) - length // 2, int(column) - length // 2
    return max(top, 0), min(top + length, height), max(left, 0), min(left + length, width)
