"""The base augmentation of section 3.2, applied before any other: random per image, for any number of workers."""

import io
from typing import Annotated, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from pydantic import Field, model_validator
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lymphoscope.augment.random_numbers import Seed
from lymphoscope.beer_lambert import DENSITY, grey_level
from lymphoscope.strict_model import StrictModel

Probability = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0, lt=1)]

_KEPT_RADIUS = (0.34, 0.5)
"""Radius of the circle that is kept around a cell, as a fraction of the image side."""


class BaseAugmentationSettings(StrictModel):
    """How far cells are rotated, moved and recoloured in training."""

    horizontal_flip: Probability = Field(default=0.5, description="Probability of a horizontal flip.")
    vertical_flip: Probability = Field(default=0.5, description="Probability of a vertical flip.")
    rotation: Annotated[float, Field(ge=0, le=180)] = Field(
        default=180.0, description="Maximum rotation to either side, in degrees."
    )
    translate: Spread = Field(default=0.05, description="Maximum shift, as a fraction of the image side.")
    scale: tuple[float, float] = Field(default=(0.9, 1.1), description="Smallest and largest zoom.")
    shear: Annotated[float, Field(ge=0, lt=90)] = Field(
        default=5.0, description="Maximum shear to either side, in degrees."
    )
    grayscale: Probability = Field(default=0.05, description="Probability of a grey image.")
    brightness: Spread = Field(default=0.1, description="Maximum change of brightness: a factor of 1 plus or minus it.")
    contrast: Spread = Field(default=0.1, description="Maximum change of contrast, as for brightness.")
    saturation: Spread = Field(default=0.1, description="Maximum change of saturation, as for brightness.")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.02, description="Maximum change of hue to either side, as a fraction of the colour circle."
    )
    stain: Spread = Field(
        default=0.0,
        description="Maximum change of the stain: the optical density of all channels, and then that of each channel, "
        "is multiplied by 1 plus or minus it. Black pixels stay black.",
    )
    light: Spread = Field(
        default=0.0,
        description="Maximum change of the colour of the light: up to this optical density is added to each channel, "
        "or subtracted.",
    )
    resolution: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Half of the images are reduced to between this fraction of their side and the whole, and enlarged "
        "again, as if from a coarser camera; 1 for none.",
    )
    blur: Spread = Field(
        default=0.0,
        description="Half of the images are blurred, as if out of focus: largest standard deviation of the Gaussian, "
        "as a fraction of the image side. Black pixels stay black.",
    )
    bare_surroundings: Probability = Field(
        default=0.0,
        description="Probability that a circle around the middle is kept and the rest gets the colour of the glass, "
        "the palest part of the image. The radius is between 0.34 and 0.5 of the image side.",
    )
    noise: Spread = Field(
        default=0.0,
        description="Largest standard deviation of the added Gaussian noise, as a fraction of white; each image has "
        "its own, between 0 and this. Black pixels stay black.",
    )
    jpeg: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100,
        description="Half of the images are saved as JPEG of a quality between this and 100, and read again; "
        "100 for none.",
    )
    border: Literal["fill", "reflect"] = Field(
        default="fill", description="Pixels from outside the image: the grey level `fill`, or the image mirrored."
    )
    fill: Annotated[int, Field(ge=0, le=255)] = Field(
        default=0, description="Grey level of pixels from outside the image; 0, because C-NMC's background is black."
    )

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> Self:
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"scale is the smallest and the largest zoom, above 0: {self.scale}")
        return self


class BaseAugmentation:
    """Flips, affine, surroundings, grayscale, colour jitter, stain, resolution, blur, noise and JPEG, in this order.

    Flips, affine, grayscale and colour jitter are those of section 3.2; the others are off unless a recipe names them.

    The order of the colours is brightness, contrast, saturation, hue. Thread-safe.
    """

    def __init__(self, settings: BaseAugmentationSettings | None = None) -> None:
        self.settings = settings or BaseAugmentationSettings()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8, with a seed from torch's global generator."""
        return self.augment(image, (int(torch.randint(2**62, ())),))

    def augment(self, image: torch.Tensor, seed: Seed) -> torch.Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8, drawn from `seed` only, such as (seed, epoch, index), all 0 or more.

        Global generators are neither read nor changed, so the number of workers makes no difference.
        """
        generator = np.random.default_rng(seed)
        # With Pillow: affine and hue take half the time of their tensor versions.
        changed = F.to_pil_image(image)
        for change in (
            self._move,
            self._remove_surroundings,
            self._change_colours,
            self._change_stain,
            self._change_resolution,
            self._blur,
        ):
            changed = change(changed, generator)
        pixels = self._add_noise(np.array(changed), generator)
        pixels = self._compress(pixels, generator)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def _move(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        settings = self.settings
        if generator.random() < settings.horizontal_flip:
            image = F.horizontal_flip(image)
        if generator.random() < settings.vertical_flip:
            image = F.vertical_flip(image)
        shift = generator.uniform(-settings.translate, settings.translate, 2) * image.size
        side = image.size
        if settings.border == "reflect":
            image = _mirrored_beyond_border(image)
        moved: Image.Image = F.affine(
            image,
            angle=generator.uniform(-settings.rotation, settings.rotation),
            translate=[round(shift[0]), round(shift[1])],
            scale=generator.uniform(*settings.scale),
            shear=generator.uniform(-settings.shear, settings.shear, 2).tolist(),
            interpolation=InterpolationMode.BILINEAR,
            fill=[settings.fill] * 3,
        )
        return moved if moved.size == side else F.center_crop(moved, side[::-1])

    def _remove_surroundings(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        if not self.settings.bare_surroundings:
            return image
        removed, radius = generator.random() < self.settings.bare_surroundings, generator.uniform(*_KEPT_RADIUS)
        if not removed:
            return image
        left, top, right, bottom = (side * (0.5 + sign * radius) for sign in (-1, 1) for side in image.size)
        kept = Image.new("L", image.size, 0)
        ImageDraw.Draw(kept).ellipse((left, top, right, bottom), fill=255)
        return Image.composite(image, Image.new("RGB", image.size, _palest_colour(image)), kept)

    def _change_colours(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        settings = self.settings
        # All are drawn before any is used: switching one off does not change the others.
        grey = generator.random() < settings.grayscale
        spreads = [settings.brightness, settings.contrast, settings.saturation]
        brightness, contrast, saturation = 1 + generator.uniform(-1, 1, 3) * spreads
        hue = generator.uniform(-settings.hue, settings.hue)
        if grey:
            image = F.rgb_to_grayscale(image, num_output_channels=3)
        # Each is skipped at 0: a factor of 1 changes nothing, but takes a millisecond.
        if settings.brightness:
            image = F.adjust_brightness(image, brightness)
        if settings.contrast:
            image = F.adjust_contrast(image, contrast)
        if not grey and settings.saturation:
            image = F.adjust_saturation(image, saturation)
        # 8-bit hue and back is the slowest step, and changes colours by a level or two by itself.
        if not grey and settings.hue:
            image = F.adjust_hue(image, hue)
        return image

    def _change_stain(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        settings = self.settings
        if not settings.stain and not settings.light:
            return image
        common, *gains = 1 + generator.uniform(-1, 1, 4) * settings.stain
        shifts = generator.uniform(-1, 1, 3) * settings.light
        tables = [_density_table(common * gain, shift) for gain, shift in zip(gains, shifts, strict=True)]
        return image.point(np.concatenate(tables).tolist())

    def _change_resolution(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        if self.settings.resolution == 1:
            return image
        reduced, fraction = generator.random() < 0.5, generator.uniform(self.settings.resolution, 1)
        if not reduced:
            return image
        small = [max(1, round(fraction * side)) for side in image.size]
        return image.resize((small[0], small[1]), Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)

    def _blur(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        if not self.settings.blur:
            return image
        blurred, deviation = generator.random() < 0.5, generator.uniform(0, self.settings.blur) * max(image.size)
        if not blurred:
            return image
        gaussian, kept = ImageFilter.GaussianBlur(deviation), _not_black(np.asarray(image))
        smooth = np.asarray(image.filter(gaussian))
        if not kept.all():
            # Only what is not black takes part, so that the edge of a cell on black does not become dark.
            weight = np.asarray(Image.fromarray(np.uint8(255) * kept[..., 0]).filter(gaussian))[..., None]
            smooth = np.where(kept, np.minimum(255, smooth / np.maximum(weight, 1) * 255), 0).astype(np.uint8)
        return Image.fromarray(smooth)

    def _add_noise(self, pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        if not self.settings.noise:
            return pixels
        deviation = np.float32(255 * generator.uniform(0, self.settings.noise))
        noise = deviation * generator.standard_normal(pixels.shape, dtype=np.float32)
        noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
        return np.where(_not_black(pixels), noisy, pixels)

    def _compress(self, pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        if self.settings.jpeg == 100:
            return pixels
        compressed, quality = generator.random() < 0.5, int(generator.integers(self.settings.jpeg, 101))
        if not compressed:
            return pixels
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        return np.array(Image.open(stream))


def _not_black(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels (H, W, 1) are not exactly black: black was cut away with the background."""
    bright: NDArray[np.bool_] = pixels.max(axis=2, keepdims=True) > 0
    return bright


def _palest_colour(image: Image.Image) -> tuple[int, int, int]:
    """Return the median colour of the palest quarter of an RGB image, of every third pixel."""
    pixels = np.asarray(image)[::3, ::3].reshape(-1, 3)
    brightness = pixels.sum(axis=1, dtype=np.int64)
    red, green, blue = np.median(pixels[brightness >= np.percentile(brightness, 75)], axis=0)
    return int(red), int(green), int(blue)


def _mirrored_beyond_border(image: Image.Image) -> Image.Image:
    """Continue an image beyond its border by half its side, which is more than a turned square needs."""
    height, width = (side // 2 - 1 for side in (image.height, image.width))
    return Image.fromarray(np.pad(np.asarray(image), ((height, height), (width, width), (0, 0)), mode="reflect"))


def _density_table(gain: float, shift: float) -> NDArray[np.uint8]:
    """Return the value (256,) that each value of a channel becomes: optical density * gain + shift; black stays."""
    table = grey_level(DENSITY * gain + shift)
    table[0] = 0
    return table
