"""A recipe: every choice of a training, by name, with our reading of the paper (docs/explanation.md) as the default."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from lymphoscope.augment import BaseAugmentationSettings, Comparison, ComparisonSettings
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Architecture, TestTime
from lymphoscope.referral import RULES, RuleName
from lymphoscope.vocabulary import CropMode, StrictModel

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Triple = tuple[float, float, float]
Range = tuple[Fraction, Fraction]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
_PAPER_BACKBONE: Final = "seresnext50_32x4d"


class ModelRecipe(StrictModel):
    """The network and its initial weights."""

    backbone: str = Field(
        default=_PAPER_BACKBONE, description="Backbone by name: one of `docs/reference/backbones.md`, or any of timm's."
    )
    features: str | int | None = Field(
        default=None,
        description="Stage of the backbone whose features the head gets: a name (`blocks.3`, or short `block3`) or an "
        "index; later stages are removed. `null`: the last features, as in the paper.",
    )
    norm: Literal["batch", "frozen", "group"] = Field(
        default="batch",
        description="`batch`: batch norm. `frozen`: batch norm with the statistics and weights of the initial weights, "
        "fixed. `group`: group norm in its place.",
    )
    freeze: bool = Field(
        default=False,
        description="Keep the whole backbone, its batch norm too, at its initial weights and train the head alone.",
    )
    maps: int = Field(default=32, ge=1, description="Number of attention maps, M (Table 4).")
    bias: bool = Field(default=True, description="Whether the classifier has a bias.")
    signed_sqrt: bool = Field(default=True, description="Signed square root after bilinear attention pooling.")
    l2: bool = Field(default=True, description="L2 normalisation after bilinear attention pooling.")
    scale: float = Field(default=100.0, description="Factor after the L2 normalisation.")
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="Dropout of the pooled features before the classifier, in training."
    )
    pretrained: bool = Field(
        default=False,
        description="Start from ImageNet weights. Those of `efficientnet_lite0`, `1` and `2` come with the extra "
        "`train`; those of timm's other models are downloaded.",
    )
    initial_weights: str | None = Field(
        default=None, description="Lymphoscope model folder whose backbone and attention weights are the initial ones."
    )


class DataRecipe(StrictModel):
    """From files to the network's input; sizes in pixels, `mean` and `std` of RGB scaled to 0-1.

    `crop_mode: auto` is the centre crop for C-NMC, whose cells lie on black, and a resize for any other source.
    """

    crop_mode: Literal["auto"] | CropMode = "auto"
    crop: int = Field(default=300, ge=16)
    size: int = Field(default=300, ge=16)
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)
    cache_gb: float = Field(default=4.0, ge=0.0)
    workers: int | Literal["auto"] = "auto"


class SplitRecipe(StrictModel):
    """Who is held out. A random split, not by subject, only on request, and marked wherever it shows."""

    by: Literal["subject", "random"] = "subject"
    test: Fraction = 0.2
    validation: Fraction = 0.15


class AttentionRecipe(StrictModel):
    """How the maps guide the other two streams in training (Eq. 2-4).

    A threshold is a fraction of the map's range, or a pair from which it is drawn for each image.
    """

    map: Literal["uniform", "sqrt_energy"] = "uniform"
    share_map: bool = True
    crop_threshold: Fraction | Range = 0.5
    crop_padding: Fraction = 0.0
    erase_threshold: Fraction | Range = 0.5
    fill: Literal["mean", "black"] = "mean"


class OptimisationRecipe(StrictModel):
    """Section 3.1. `decay` multiplies the learning rate every `decay_every` epochs, or falls as a cosine to zero.

    `class_weights` weighs the loss by inverse class frequency; `sampling: class` draws each class equally often, and
    `sampling: subject` each subject of a class as well. `centre_loss` weighs WS-DAN's centre loss.
    """

    optimiser: Literal["ranger", "adamw"] = "ranger"
    learning_rate: float = Field(default=0.01, gt=0.0)
    backbone_lr_scale: float = Field(
        default=1.0, ge=0.0, description="Learning rate of the backbone as a multiple of `learning_rate`."
    )
    stage_lr_decay: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="Factor by which the learning rate falls from each stage of the backbone to the one before it.",
    )
    weight_decay: float = Field(default=1e-4, ge=0.0)
    schedule: Literal["steps", "cosine"] = "steps"
    warmup_epochs: int = Field(default=2, ge=0)
    decay: float = Field(default=0.95, gt=0.0, le=1.0)
    decay_every: int = Field(default=2, ge=1)
    epochs: int = Field(default=120, ge=1)
    batch_size: int = Field(default=7, ge=2)
    phases: Literal["joint", "alternating"] = "joint"
    class_weights: bool = False
    sampling: Literal["shuffle", "class", "subject"] = "shuffle"
    label_smoothing: Fraction = 0.0
    centre_loss: float = Field(default=0.0, ge=0.0)


class EarlyStoppingRecipe(StrictModel):
    """Watches inner subjects, never the test set. The model kept is the best epoch's, or the last's on request."""

    monitor: Literal["validation_loss", "validation_weighted_f1"] = "validation_loss"
    patience: int = Field(default=20, ge=1)
    keep: Literal["best", "last"] = "best"


class FixResRecipe(StrictModel):
    """FixRes (Touvron et al. 2019): after training, the same picture at a higher test resolution.

    `size` is the new side in pixels, 320 for the paper's 300; without it nothing is done. For `epochs` more the
    classifier and the last batch norm alone are trained, by SGD with momentum, on the training cells as they look at
    test time.
    """

    size: int | None = Field(default=None, ge=16)
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    batch_size: int | None = Field(default=None, ge=2)


class ReferralRecipe(StrictModel):
    """When the trained model sends a cell to a person; fitted on inner subjects after training (docs/referral.md).

    At most `miss_rate` of blasts shall be signed off as normal and `false_alarm_rate` of normals as blasts, with
    `confidence`; `familiar` is the share of known cells that each limit of likeness keeps. A rule that is not named
    is measured all the same, and sends no cell to a person.
    """

    miss_rate: Share = 0.01
    false_alarm_rate: Share = 0.05
    confidence: Share = 0.95
    familiar: Share = 0.99
    rules: tuple[RuleName, ...] = RULES


class HardwareRecipe(StrictModel):
    """Lightning's own words for devices and strategies; `precision: auto` is bfloat16 where the processor has it.

    `passes`: crop and erase in one pass of the network, or in two of a batch each, which changes what batch norm sees;
    `auto` is one on a GPU and two on a processor, whichever was measured to be faster. `compile` has torch.compile
    build the network, and goes on without where that fails.
    """

    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    strategy: str = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    passes: Literal["auto", "one", "two"] = "auto"
    compile: bool = False


class Recipe(StrictModel):
    """The whole of a training. `streams: raw` is the plain backbone, the paper's "without".

    `comparison` is an augmentation that the paper compares with, on top of the base augmentation (Table 1).
    `limits` and `attribution` go into the model's card: what it is not for, and whose the images were. `error_curves`
    writes the error of training and test cells after each epoch to errors.csv (Figure 7); nothing chooses by it.
    """

    name: str = "paper"
    limits: str | None = None
    attribution: str | None = None
    seed: int = Field(default=0, ge=0)
    streams: Literal["ternary", "raw"] = "ternary"
    comparison: Comparison = "none"
    blast_class: str | None = None
    error_curves: bool = False
    model: ModelRecipe = ModelRecipe()
    data: DataRecipe = DataRecipe()
    split: SplitRecipe = SplitRecipe()
    augmentation: BaseAugmentationSettings = BaseAugmentationSettings()
    comparison_settings: ComparisonSettings = ComparisonSettings()
    attention: AttentionRecipe = AttentionRecipe()
    test_time: TestTime = TestTime()
    optimisation: OptimisationRecipe = OptimisationRecipe()
    early_stopping: EarlyStoppingRecipe = EarlyStoppingRecipe()
    fix_res: FixResRecipe = FixResRecipe()
    referral: ReferralRecipe = ReferralRecipe()
    hardware: HardwareRecipe = HardwareRecipe()

    @model_validator(mode="before")
    @classmethod
    def _normalise_as_the_weights_expect(cls, recipe: Any) -> Any:
        """Fill in `data.mean` and `data.std` of ImageNet weights that were trained with other values."""
        model, data = _given(recipe, "model"), _given(recipe, "data")
        if model is None or data is None or model.get("pretrained") is not True:
            return recipe
        from lymphoscope.backbones import pretrained_normalisation

        try:
            mean, std = pretrained_normalisation(str(model.get("backbone", _PAPER_BACKBONE)))
        except LymphoscopeError:
            return recipe  # reported, with the reason, when the network is created
        return {**recipe, "data": {"mean": mean, "std": std, **data}}

    @model_validator(mode="after")
    def _frozen_from_something(self) -> Self:
        if self.model.pretrained or self.model.initial_weights:
            return self
        for name, is_frozen in (("norm: frozen", self.model.norm == "frozen"), ("freeze: true", self.model.freeze)):
            if is_frozen:
                raise ValueError(
                    f"model.{name} keeps initial weights, and there are none: set model.pretrained or "
                    "model.initial_weights"
                )
        return self

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.model.pretrained and self.model.initial_weights:
            raise ValueError("model.pretrained and model.initial_weights exclude each other: keep one")
        return self

    @model_validator(mode="after")
    def _one_class_an_image(self) -> Self:
        if self.optimisation.centre_loss and self.comparison in ("mix_up", "cut_mix"):
            raise ValueError(
                f"optimisation.centre_loss pulls an image to the centre of its class, and {self.comparison} gives it "
                "two classes: set optimisation.centre_loss=0"
            )
        return self

    def architecture(self) -> Architecture:
        """The network's part of the model file."""
        model = self.model
        return Architecture(
            backbone=model.backbone,
            features=model.features,
            head="linear" if self.streams == "raw" else "attention",
            norm=model.norm,
            num_maps=model.maps,
            bias=model.bias,
            signed_sqrt=model.signed_sqrt,
            l2=model.l2,
            scale=model.scale,
            dropout=model.dropout,
        )


def _given(recipe: Any, section: str) -> dict[str, Any] | None:
    """The keys of a section that were set, before validation; None where the section is not one."""
    content = recipe.get(section, {}) if isinstance(recipe, dict) else None
    if isinstance(content, BaseModel):
        return content.model_dump(exclude_unset=True)
    return content if isinstance(content, dict) else None
