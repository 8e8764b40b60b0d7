"""What the augmentations that WT-DFN is compared with may be told; the defaults are those of their papers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lymphoscope.vocabulary import StrictModel

Comparison = Literal["none", "random_erasing", "rand_augment", "mix_up", "cut_mix", "aug_mix", "cut_out", "grid_mask"]
"""RE, RA, MU, CM, AM, CO and GM of Table 1, each on top of the base augmentation."""

Share = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]


class ComparisonSettings(StrictModel):
    """How strong the augmentation that `comparison` names is; the others' keys are not used. Defaults by source.

    `random_erasing_*`: probability, smallest and largest share of the image, aspect ratio up to 1/0.3, filled with
    noise (Zhong et al. 2020, section 4) or with the mean colour, the zero of which Liu et al. (2022, section 3.2)
    write. `rand_augment_*`: operations an image, and magnitude of 30 (Cubuk et al. 2020, ResNet50). `mix_up_alpha`: of
    Beta(alpha, alpha) (Zhang et al. 2018, ImageNet: 0.1 to 0.4). `cut_mix_alpha`: the same (Yun et al. 2019).
    `aug_mix_*`: severity of 10, chains, alpha (Hendrycks et al. 2020; without its consistency loss). `cut_out_side`: of
    the image's (DeVries & Taylor 2017, CIFAR-10: 16 of 32). `grid_mask_*`: probability, kept share r of a unit's side,
    smallest and largest unit as a share of the image's side (Chen et al. 2020, ImageNet: 96 to 224 of 224; the
    probability is not raised over the epochs).
    """

    random_erasing_probability: Probability = 0.5
    random_erasing_area: tuple[Share, Share] = (0.02, 0.4)
    random_erasing_fill: Literal["noise", "mean"] = "noise"
    rand_augment_operations: Annotated[int, Field(ge=1)] = 2
    rand_augment_magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    mix_up_alpha: Annotated[float, Field(gt=0)] = 0.2
    cut_mix_alpha: Annotated[float, Field(gt=0)] = 1.0
    aug_mix_severity: Annotated[int, Field(ge=1, le=10)] = 3
    aug_mix_chains: Annotated[int, Field(ge=1)] = 3
    aug_mix_alpha: Annotated[float, Field(gt=0)] = 1.0
    cut_out_side: Share = 0.5
    grid_mask_probability: Probability = 0.8
    grid_mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    grid_mask_unit: tuple[Share, Share] = (0.43, 1.0)

    @model_validator(mode="after")
    def _smallest_comes_first(self) -> Self:
        for name in ("random_erasing_area", "grid_mask_unit"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is the smallest and the largest share: {(low, high)}")
        return self
