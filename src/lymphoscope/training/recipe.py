"""A recipe: every choice of a training, by name. The defaults are our reading of the paper (docs/explanation.md)."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from lymphoscope.augment import BaseAugmentationSettings, Comparison, ComparisonSettings
from lymphoscope.data.stains import NO_STAIN_METHOD, stain_method_names
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Architecture, TestTime
from lymphoscope.referral import ReferralOptions
from lymphoscope.strict_model import StrictModel, explicit_keys, is_true
from lymphoscope.vocabulary import CropMode, Fill, Surroundings

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Range = tuple[Fraction, Fraction]
Triple = tuple[float, float, float]
_PAPER_BACKBONE: Final = "seresnext50_32x4d"


class ModelRecipe(StrictModel):
    """The network and its initial weights."""

    backbone: str = Field(
        default=_PAPER_BACKBONE,
        description="Backbone by name: one of docs/reference/backbones.md, or any name of timm's.",
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
        description="Keep the backbone, including its batch norm, at its initial weights; train only the head.",
    )
    frozen_stages: str | int | None = Field(
        default=None,
        description="Keep the stages of the backbone up to this one at their initial weights; train the later stages "
        "and the head. The statistics of batch norm are kept in all stages. Needs `model.features`.",
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
    """From image files to the input of the network."""

    crop_mode: Literal["auto"] | CropMode = Field(
        default="auto",
        description="`center_crop` cuts `crop` pixels out of the middle, `resize` uses the whole image; `auto` is the "
        "centre crop for C-NMC, whose cells are on black, and the resize for other sources.",
    )
    crop: int = Field(default=300, ge=16, description="Side of the centre crop, in pixels of the file.")
    size: int = Field(default=300, ge=16, description="Side of the input of the network, in pixels.")
    stain: str = Field(
        default=NO_STAIN_METHOD,
        description="Stain normalisation of the fitted cells, with the training cells as reference; quality and "
        f"out-of-distribution signals are measured after it. One of {', '.join(stain_method_names())}.",
    )
    microns_per_pixel: float | None = Field(
        default=None,
        gt=0.0,
        description="Scale of the training images in micrometres per pixel, which is written into the model file: "
        "`lymphoscope smear` cuts cells out of fields at this scale. `null`: unknown.",
    )
    partial_labels: bool = Field(
        default=False,
        description="Train on cells that have `possible_labels` and no label as well: their loss is that of the summed "
        "probability of these classes. They are never validation or test cells.",
    )
    surroundings: Surroundings | None = Field(
        default=None,
        description="What is around the training cells: `kept`, or `black` for segmented cells; written into the model "
        "file for `lymphoscope smear`. `null`: unknown.",
    )
    mean: Triple = Field(
        default=(0.485, 0.456, 0.406),
        description="Mean of RGB, scaled to 0-1, for normalisation. With `model.pretrained` the default is that of the "
        "weights.",
    )
    std: Triple = Field(default=(0.229, 0.224, 0.225), description="Standard deviation of RGB, as for `mean`.")
    cache_gb: float = Field(default=4.0, ge=0.0, description="Memory for decoded images, in GB; 0 decodes every epoch.")
    workers: int | Literal["auto"] = Field(
        default="auto", description="Processes that load and augment images; `auto`: 0 on two cores or fewer."
    )

    @field_validator("stain")
    @classmethod
    def _is_registered(cls, stain: str) -> str:
        if stain not in stain_method_names():
            raise ValueError(f"stain normalisation {stain!r} is unknown, use one of {', '.join(stain_method_names())}")
        return stain


class SplitRecipe(StrictModel):
    """Which cells are held out, where the data do not come with a split."""

    by: Literal["subject", "random"] = Field(
        default="subject",
        description="`subject` keeps all cells of a subject in one part. `random` splits cell by cell, and the report "
        "is marked.",
    )
    test: Fraction = Field(default=0.2, description="Fraction of the cells in the test part; 0 for none.")
    validation: Fraction = Field(default=0.15, description="Fraction of the other cells in the validation part.")


class AttentionRecipe(StrictModel):
    """How the attention maps guide the crop and erase streams in training (Eq. 2-4)."""

    map: Literal["uniform", "sqrt_energy"] = Field(
        default="uniform",
        description="How the guide map is drawn: uniformly, or in proportion to the square root of each map's mean.",
    )
    share_map: bool = Field(default=True, description="Whether one drawn map guides both streams.")
    crop_threshold: Fraction | Range = Field(
        default=0.5,
        description="Threshold of the crop, as a fraction of the map's range; a pair draws one per image.",
    )
    crop_padding: Fraction = Field(default=0.0, description="Padding of the crop box, as a fraction of the image side.")
    erase_threshold: Fraction | Range = Field(
        default=0.5, description="Threshold of the erased region, as for the crop."
    )
    fill: Fill = Field(default="mean", description="Colour of the erased region: the mean colour (grey) or black.")


class OptimisationRecipe(StrictModel):
    """Optimiser, schedule, epochs and losses (section 3.1)."""

    optimiser: Literal["ranger", "adamw"] = Field(
        default="ranger", description="`ranger`: RAdam, Lookahead and gradient centralisation. `adamw`: AdamW."
    )
    learning_rate: float = Field(default=0.01, gt=0.0, description="Learning rate after warm-up.")
    backbone_lr_scale: float = Field(
        default=1.0, ge=0.0, description="Learning rate of the backbone as a multiple of `learning_rate`."
    )
    stage_lr_decay: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="Factor by which the learning rate falls from each stage of the backbone to the one before it.",
    )
    weight_decay: float = Field(default=1e-4, ge=0.0, description="Decoupled weight decay.")
    schedule: Literal["steps", "cosine"] = Field(
        default="steps", description="`steps` multiplies by `decay` every `decay_every` epochs; `cosine` falls to zero."
    )
    warmup_epochs: int = Field(default=2, ge=0, description="Epochs of linear warm-up.")
    decay: float = Field(default=0.95, gt=0.0, le=1.0, description="Factor of the schedule `steps`.")
    decay_every: int = Field(default=2, ge=1, description="Epochs between two factors of the schedule `steps`.")
    epochs: int = Field(default=120, ge=1, description="Maximum number of epochs.")
    batch_size: int = Field(default=7, ge=2, description="Images per step; each is in three streams.")
    phases: Literal["joint", "alternating"] = Field(
        default="joint",
        description="`joint`: one optimiser step for the mean loss of the three streams. `alternating`: one step after "
        "the raw stream and one after the other two.",
    )
    class_weights: bool = Field(default=False, description="Weight the loss by inverse class frequency.")
    sampling: Literal["shuffle", "class", "subject"] = Field(
        default="shuffle",
        description="`shuffle`: every cell once per epoch. `class`: each class equally often. `subject`: each class, "
        "and each subject within a class, equally often.",
    )
    label_smoothing: Fraction = Field(default=0.0, description="Label smoothing of the cross-entropy.")
    centre_loss: float = Field(default=0.0, ge=0.0, description="Weight of the centre loss of WS-DAN; 0 for none.")


class EarlyStoppingRecipe(StrictModel):
    """When training stops, and which epoch's weights are used; decided on the validation part only."""

    monitor: Literal["validation_loss", "validation_weighted_f1"] = Field(
        default="validation_loss", description="The watched metric."
    )
    patience: int = Field(default=20, ge=1, description="Epochs without improvement after which training stops.")
    keep: Literal["best", "last"] = Field(
        default="best", description="Use the weights of the best epoch by the watched metric, or of the last epoch."
    )


class FixResRecipe(StrictModel):
    """FixRes (Touvron et al. 2019): after training, fine-tune for a higher resolution at test time.

    Only the classifier and the last batch norm are trained, by SGD with momentum, on the training cells prepared as at
    test time.
    """

    size: int | None = Field(
        default=None,
        ge=16,
        description="Input side at test time in pixels (320 for the paper's 300); `null`: no FixRes.",
    )
    epochs: int = Field(default=5, ge=1, description="Epochs of fine-tuning.")
    learning_rate: float = Field(default=1e-3, gt=0.0, description="Learning rate of SGD.")
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0, description="Momentum of SGD.")
    batch_size: int | None = Field(default=None, ge=2, description="Images per step; `null`: that of the training.")


class HardwareRecipe(StrictModel):
    """Devices and number formats. `accelerator`, `devices` and `strategy` are those of Lightning."""

    accelerator: str = Field(default="auto", description="Kind of device: `auto`, `cpu`, `gpu`.")
    devices: int | Literal["auto"] = Field(default=1, description="Number of devices.")
    strategy: str = Field(default="auto", description="Lightning's strategy for several devices, such as `ddp`.")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        default="auto", description="Number format; `auto` is bfloat16 where the processor computes in it."
    )
    passes: Literal["auto", "one", "two"] = Field(
        default="auto",
        description="Compute crop and erase in one pass of the network or in two, which changes the batches of batch "
        "norm; `auto`: whichever is faster, one on a GPU and two on a CPU.",
    )
    compile: bool = Field(
        default=False, description="Compile the backbone with torch.compile; training continues without if that fails."
    )


class Recipe(StrictModel):
    """All choices of a training."""

    name: str = Field(default="paper", description="Name of the recipe and of the model.")
    limits: str | None = Field(default=None, description="What the model is not for; on the model card.")
    attribution: str | None = Field(default=None, description="Origin of the images; on the model card.")
    purpose: str | None = Field(default=None, description="What the model is for, in one sentence.")
    licence: str | None = Field(default=None, description="Licence of the weights.")
    seed: int = Field(default=0, ge=0, description="Seed of every random number.")
    streams: Literal["ternary", "raw"] = Field(
        default="ternary",
        description='`ternary`: WT-DFN. `raw`: the plain backbone with average pooling, the paper\'s "without".',
    )
    comparison: Comparison = Field(
        default="none", description="An augmentation that the paper compares with, on top of the base one (Table 1)."
    )
    blast_class: str | None = Field(
        default=None, description="The positive class; `null`: the class with a common name of blasts."
    )
    class_titles: dict[str, str] = Field(
        default={}, description="Class names in words for reports, such as `all: lymphoblast`; known names have one."
    )
    record_subjects: bool = Field(
        default=True,
        description="Write the ids of the training subjects into the model file. Without them the leak guard cannot "
        "compare subjects.",
    )
    error_curves: bool = Field(
        default=False,
        description="Write the error on training and test cells after each epoch to errors.csv (Figure 7); nothing is "
        "chosen by it.",
    )
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
    referral: ReferralOptions = ReferralOptions()
    hardware: HardwareRecipe = HardwareRecipe()

    @model_validator(mode="before")
    @classmethod
    def _use_normalisation_of_pretrained_weights(cls, recipe: Any) -> Any:
        """Fill in `data.mean` and `data.std` of the ImageNet weights, if the recipe does not set them."""
        model, data = explicit_keys(recipe, "model"), explicit_keys(recipe, "data")
        if model is None or data is None or not is_true(model.get("pretrained", False)):
            return recipe
        from lymphoscope.backbones import pretrained_normalisation

        try:
            mean, std = pretrained_normalisation(str(model.get("backbone", _PAPER_BACKBONE)))
        except LymphoscopeError:
            return recipe  # reported, with the reason, when the network is created
        return {**recipe, "data": {"mean": mean, "std": std, **data}}

    @model_validator(mode="after")
    def _frozen_weights_have_an_origin(self) -> Self:
        if self.model.pretrained or self.model.initial_weights:
            return self
        frozen = {
            "norm: frozen": self.model.norm == "frozen",
            "freeze: true": self.model.freeze,
            "frozen_stages": self.model.frozen_stages is not None,
        }
        for key, is_frozen in frozen.items():
            if is_frozen:
                raise ValueError(f"model.{key} needs initial weights: set model.pretrained or model.initial_weights")
        return self

    @model_validator(mode="after")
    def _initial_weights_have_one_origin(self) -> Self:
        if self.model.pretrained and self.model.initial_weights:
            raise ValueError("model.pretrained and model.initial_weights exclude each other: keep one")
        return self

    @model_validator(mode="after")
    def _some_losses_need_one_class_per_image(self) -> Self:
        mixes = self.comparison in ("mix_up", "cut_mix")
        if self.optimisation.centre_loss and mixes:
            raise ValueError(
                f"optimisation.centre_loss needs one class per image, and {self.comparison} mixes two: set "
                "optimisation.centre_loss=0"
            )
        if self.data.partial_labels and (mixes or self.optimisation.centre_loss):
            other = f"comparison={self.comparison}" if mixes else "optimisation.centre_loss"
            raise ValueError(f"{other} needs one class per image: set data.partial_labels=false")
        return self

    def architecture(self) -> Architecture:
        """Return the architecture of the network, as the model file holds it."""
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
