"""Settings of the augmentations that WT-DFN is compared with (Table 1); the defaults are those of their papers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lymphoscope.strict_model import StrictModel

Comparison = Literal["none", "random_erasing", "rand_augment", "mix_up", "cut_mix", "aug_mix", "cut_out", "grid_mask"]
"""RE, RA, MU, CM, AM, CO and GM of Table 1, each on top of the base augmentation."""

PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]


class ComparisonSettings(StrictModel):
    """Strength of the augmentation that `comparison` names; the keys of the others are not used."""

    random_erasing_probability: Probability = Field(
        default=0.5, description="Random Erasing: probability per image (Zhong et al. 2020, section 4)."
    )
    random_erasing_area: tuple[PositiveFraction, PositiveFraction] = Field(
        default=(0.02, 0.4), description="Random Erasing: smallest and largest area, as a fraction of the image."
    )
    random_erasing_fill: Literal["noise", "mean"] = Field(
        default="noise",
        description="Random Erasing: fill with noise (Zhong et al.) or with the mean colour, the zero of Liu et al. "
        "(2022, section 3.2).",
    )
    rand_augment_operations: Annotated[int, Field(ge=1)] = Field(
        default=2, description="RandAugment: operations per image (Cubuk et al. 2020, ResNet50)."
    )
    rand_augment_magnitude: Annotated[int, Field(ge=0, le=30)] = Field(
        default=9, description="RandAugment: magnitude, of 30."
    )
    mix_up_alpha: Annotated[float, Field(gt=0)] = Field(
        default=0.2, description="MixUp: alpha of Beta(alpha, alpha) (Zhang et al. 2018, ImageNet: 0.1 to 0.4)."
    )
    cut_mix_alpha: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="CutMix: alpha of Beta(alpha, alpha) (Yun et al. 2019)."
    )
    aug_mix_severity: Annotated[int, Field(ge=1, le=10)] = Field(
        default=3, description="AugMix: severity, of 10 (Hendrycks et al. 2020; without its consistency loss)."
    )
    aug_mix_chains: Annotated[int, Field(ge=1)] = Field(default=3, description="AugMix: number of chains.")
    aug_mix_alpha: Annotated[float, Field(gt=0)] = Field(default=1.0, description="AugMix: alpha of its mixture.")
    cut_out_side: PositiveFraction = Field(
        default=0.5,
        description="CutOut: side of the square, as a fraction of the image's (DeVries & Taylor 2017, CIFAR-10: 16 of "
        "32).",
    )
    grid_mask_probability: Probability = Field(
        default=0.8, description="GridMask: probability per image, constant over the epochs (Chen et al. 2020)."
    )
    grid_mask_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.6, description="GridMask: fraction r of a unit's side that is kept."
    )
    grid_mask_unit: tuple[PositiveFraction, PositiveFraction] = Field(
        default=(0.43, 1.0),
        description="GridMask: smallest and largest unit, as a fraction of the image side (96 to 224 of 224).",
    )

    @model_validator(mode="after")
    def _smallest_comes_first(self) -> Self:
        for name in ("random_erasing_area", "grid_mask_unit"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is the smallest and the largest fraction: {(low, high)}")
        return self
