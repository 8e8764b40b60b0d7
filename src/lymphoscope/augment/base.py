"""The base augmentation of section 3.2, before any other: drawn image by image, the same for any number of workers."""

from typing import Annotated, Self

import numpy as np
import torch
from PIL import Image
from pydantic import Field, model_validator
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lymphoscope.vocabulary import StrictModel

Probability = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0, lt=1)]


class BaseAugmentationSettings(StrictModel):
    """How far a cell may be turned, moved and recoloured. Unknown keys are refused.

    `rotation` and `shear` are degrees to either side, `translate` a fraction of the side, `scale` the smallest and
    largest zoom; `horizontal_flip`, `vertical_flip` and `grayscale` are probabilities; `brightness`, `contrast` and
    `saturation` factors of 1 plus or minus the value, `hue` a fraction of the colour circle to either side; `fill`
    the grey level (0-255) of what comes in from outside, 0 as C-NMC's background is black.
    """

    horizontal_flip: Probability = 0.5
    vertical_flip: Probability = 0.5
    rotation: Annotated[float, Field(ge=0, le=180)] = 180.0
    translate: Spread = 0.05
    scale: tuple[float, float] = (0.9, 1.1)
    shear: Annotated[float, Field(ge=0, lt=90)] = 5.0
    grayscale: Probability = 0.05
    brightness: Spread = 0.1
    contrast: Spread = 0.1
    saturation: Spread = 0.1
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    fill: Annotated[int, Field(ge=0, le=255)] = 0

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> Self:
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"scale is the smallest and the largest zoom, above 0: {self.scale}")
        return self


class BaseAugmentation:
    """Flips, affine, grayscale and colour jitter, in this order, of one image (section 3.2).

    The colours change in the order brightness, contrast, saturation, hue. Thread-safe; holds no state but `settings`.
    """

    def __init__(self, settings: BaseAugmentationSettings | None = None) -> None:
        self.settings = settings or BaseAugmentationSettings()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8, with a seed drawn from torch's global generator."""
        return self.augment(image, (int(torch.randint(2**62, ())),))

    def augment(self, image: torch.Tensor, seed: tuple[int, ...]) -> torch.Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8, drawn from `seed` alone, such as (seed, epoch, index), all 0 or more.

        Global generators are neither read nor moved, so that the number of workers changes nothing.
        """
        rng = np.random.default_rng(seed)
        # Through Pillow: affine and hue take half the time of their tensor versions.
        picture = self._coloured(self._placed(F.to_pil_image(image), rng), rng)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()

    def _placed(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        s = self.settings
        if rng.random() < s.horizontal_flip:
            picture = F.horizontal_flip(picture)
        if rng.random() < s.vertical_flip:
            picture = F.vertical_flip(picture)
        shift = rng.uniform(-s.translate, s.translate, 2) * picture.size
        moved: Image.Image = F.affine(
            picture,
            angle=rng.uniform(-s.rotation, s.rotation),
            translate=[round(shift[0]), round(shift[1])],
            scale=rng.uniform(*s.scale),
            shear=rng.uniform(-s.shear, s.shear, 2).tolist(),
            interpolation=InterpolationMode.BILINEAR,
            fill=[s.fill] * 3,
        )
        return moved

    def _coloured(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        s = self.settings
        # All drawn before any is used: switching one off leaves the others as they were.
        grey = rng.random() < s.grayscale
        brightness, contrast, saturation = 1 + rng.uniform(-1, 1, 3) * [s.brightness, s.contrast, s.saturation]
        hue = rng.uniform(-s.hue, s.hue)
        if grey:
            picture = F.rgb_to_grayscale(picture, num_output_channels=3)
        picture = F.adjust_contrast(F.adjust_brightness(picture, brightness), contrast)
        if not grey:
            picture = F.adjust_saturation(picture, saturation)
        # Not for nothing: 8-bit hue and back costs the most of all, and moves colours by a level or two by itself.
        if not grey and s.hue:
            picture = F.adjust_hue(picture, hue)
        return picture
