"""`model.json`: everything that inference must know about a trained model, as typed pydantic models."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lymphoscope.data import CellPreparation, Geometry, StainNormalization
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file.model_json import FORMAT_VERSION, IDENTITY, model_id_of
from lymphoscope.referral import SCORE_RULE, Calibration, FeatureReference, Referral, ScoreBand
from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import (
    STREAMS,
    CropMode,
    Decision,
    Fill,
    GuidingMap,
    Precision,
    Stream,
    Surroundings,
    Views,
    class_title,
    prediction_columns,
)

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[int, Field(ge=1, le=16384)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


class Architecture(StrictModel):
    """The network: a backbone and one of two heads."""

    backbone: str = Field(description="Name of the backbone (docs/reference/).")
    features: str | int | None = Field(
        default=None, description="Stage of the backbone whose features the head gets; null for the last features."
    )
    head: Literal["attention", "linear"] = Field(
        default="attention",
        description="The paper's head (bilinear attention pooling, Eq. 1), or global average pooling and one linear "
        'layer (the paper\'s "without").',
    )
    norm: Literal["batch", "frozen", "group"] = Field(
        default="batch",
        description="Normalisation layers: batch norm, batch norm with fixed statistics and weights, or group norm.",
    )
    num_maps: int = Field(default=32, ge=1, le=4096, description="Number M of attention maps.")
    bias: bool = Field(default=True, description="Bias of the linear layer.")
    signed_sqrt: bool = Field(default=True, description="Signed square root of the part matrix.")
    l2: bool = Field(default=True, description="L2 normalisation of the part matrix.")
    scale: Positive = Field(default=100.0, description="Factor after the L2 normalisation.")
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="Dropout before the classifier, in training only.")


class Preprocessing(StrictModel):
    """How the pixels of a file become the network's input."""

    crop_mode: CropMode = Field(description="Take the central `crop` x `crop` pixels, or resize the whole image.")
    crop: Pixels = Field(default=300, description="Side of the centre crop in pixels of the file.")
    size: Pixels = Field(default=300, description="Side of the network's input in pixels.")
    mean: tuple[Finite, Finite, Finite] = Field(description="Mean of RGB scaled to 0-1, subtracted.")
    std: tuple[Positive, Positive, Positive] = Field(description="Standard deviation of RGB scaled to 0-1, divided by.")

    stain: StainNormalization | None = Field(
        default=None,
        description="Stain normalisation of the fitted cells and its reference; null for none. Quality and "
        "out-of-distribution signals are measured after it.",
    )
    microns_per_pixel: Positive | None = Field(
        default=None,
        description="Scale of the training images in micrometres per pixel: a cell found on a field is cut out as "
        "`crop` x `crop` pixels at this scale. null: unknown.",
    )
    surroundings: Surroundings | None = Field(
        default=None,
        description="What is around a cell that is cut out of a field: kept, or black outside the cell's outline, as "
        "in C-NMC. null: unknown.",
    )

    def geometry(self) -> Geometry:
        """Return crop mode, crop and size, from which boxes are mapped back to the file."""
        return Geometry(crop_mode=self.crop_mode, crop=self.crop, size=self.size)

    def preparation(self) -> CellPreparation:
        """Return how cell images are prepared for the network: geometry and stain normalisation."""
        return CellPreparation(self.geometry(), self.stain)


class TestTime(StrictModel):
    """What is done at test time (Eq. 2-5, Algorithm 1). It is deterministic."""

    __test__ = False  # pytest would collect a class of this name

    map: GuidingMap = Field(default="mean", description="Which attention map guides crop and erase.")
    crop_threshold: Fraction = Field(default=0.5, description="Crop to where the map reaches this part of its range.")
    crop_padding: Fraction = Field(default=0.0, description="Padding of the crop, a fraction of the image's side.")
    erase_threshold: Fraction = Field(default=0.5, description="Erase where the map reaches this part of its range.")
    fill: Fill = Field(default="mean", description="Value of erased pixels: grey (the mean) or black.")
    streams: tuple[Stream, ...] = Field(default=STREAMS, description="The streams that vote; `raw` is one of them.")
    decision: Decision = Field(default="vote", description="Plurality vote (Eq. 5), or the highest mean softmax.")
    views: Views = Field(
        default=1,
        description="Orientations of each cell (mirrored, turned) over which the softmax of each stream is averaged; "
        "prediction takes that many times as long.",
    )

    @field_validator("views", mode="before")
    @classmethod
    def _number_of(cls, views: Any) -> Any:
        """Recipes give every value as text, which a literal of numbers does not take."""
        return int(views) if isinstance(views, str) and views.isdecimal() else views

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
        if "raw" not in streams or len(set(streams)) < len(streams):
            raise ValueError(f"{list(streams)}: raw is needed, and each stream once at most")
        return streams


class Parity(StrictModel):
    """How an export's outputs compare with torch in float32."""

    cells: int = Field(description="Number of cells compared.")
    source: str = Field(description="Which cells.")
    labels: float = Field(description="Share of cells with equal labels.")
    boxes: float = Field(description="Share of cells with equal crop boxes.")
    boxes_iou: float = Field(description="Smallest overlap of two boxes (intersection over union).")
    scores: float = Field(description="Largest absolute difference of a score.")
    mean_scores: float = Field(description="Mean absolute difference of the scores.")
    first_streams: float = Field(
        description="Largest difference of the softmax of raw and crop, which erase can't affect."
    )


class Export(StrictModel):
    """The network written for a runtime. It is valid for the weights that it names, and for no others."""

    runtime: str = Field(description="The runtime that it is for.")
    precision: Precision = Field(description="The precision that it computes in.")
    graph: Literal["network", "algorithm1"] = Field(description="One pass of the network, or the whole Algorithm 1.")
    files: dict[FileName, Sha256] = Field(
        min_length=1, description="File names in the model folder and their SHA-256; the one to open comes first."
    )
    weights_sha256: Sha256 = Field(description="SHA-256 of the weights that were exported.")
    accepted: float = Field(description="Share of equal labels that was required.")
    parity: Parity = Field(description="Comparison with torch in float32.")
    features: FeatureReference | None = Field(
        default=None,
        description="What the training cells look like to this network, in place of that part of "
        "`referral.ood_reference`; null for a network that does not round.",
    )
    versions: dict[str, str] = Field(default={}, description="Versions of the packages that wrote it.")

    @property
    def title(self) -> str:
        """Precision and runtime, in words."""
        return f"{self.precision} for {self.runtime}"


class Description(StrictModel):
    """The content of `model.json`."""

    format_version: int = Field(default=FORMAT_VERSION, description="Version of this format.")
    name: str = Field(description="Name of the model.")
    architecture: Architecture = Field(description="The network.")
    classes: tuple[str, ...] = Field(min_length=2, description="Class names, in the order of the network's outputs.")
    blast_class: str | None = Field(description="The class of lymphoblasts, if any.")
    class_titles: dict[str, str] = Field(
        default={}, description="Class names in words, as reports show them; known names have a default."
    )
    preprocessing: Preprocessing = Field(description="From the pixels of a file to the network's input.")
    test_time: TestTime = Field(default=TestTime(), description="Streams, thresholds and decision.")
    calibration: Calibration | None = Field(default=None, description="Temperature of the scores.")
    referral: Referral = Field(default=Referral(), description="When a cell is referred to a person.")
    purpose: str | None = Field(default=None, description="What the model is for, in one sentence.")
    limits: str | None = Field(default=None, description="What the model must not be used for; heads its card.")
    attribution: str | None = Field(default=None, description="The sources of the training images and their licences.")
    licence: str | None = Field(default=None, description="Licence of the weights.")
    trained_on: dict[str, Any] = Field(default={}, description="Training data: source, cells and subjects per part.")
    recipe: dict[str, Any] = Field(default={}, description="The recipe of the training.")
    scores: dict[str, Any] = Field(default={}, description="Scores on held-out cells.")
    versions: dict[str, str] = Field(default={}, description="Versions of the packages that trained it.")
    parameters: int | None = Field(default=None, description="Number of parameters of the network.")
    exports: tuple[Export, ...] = Field(default=(), description="Networks written for other runtimes.")
    weights_sha256: str = Field(
        default="", pattern=r"^([0-9a-f]{64})?$", description="SHA-256 of `weights.safetensors`; required in a file."
    )

    @property
    def networks(self) -> str:
        """The networks that are in the model folder for runtimes, in words; empty without one."""
        return ", ".join(export.title for export in self.exports if export.graph == "network")

    @property
    def positive_index(self) -> int | None:
        """Index of the blast class in `classes`; None without one."""
        return None if self.blast_class is None else self.classes.index(self.blast_class)

    def check_labels(self, labels: Iterable[str]) -> None:
        """Raise LymphoscopeError if one of the labels is not a class of the model."""
        unknown = sorted(set(labels) - set(self.classes))
        if unknown:
            classes = ", ".join(self.classes)
            raise LymphoscopeError(f"class {unknown[0]!r} of the data is not one of the model's: {classes}")

    @property
    def model_id(self) -> str:
        """Identify what determines the predictions: 16 hexadecimal digits, equal for models that predict the same.

        It covers weights, architecture, classes, preprocessing, test-time options, calibration and referral, but
        neither scores nor texts nor exports.
        """
        return model_id_of(self.model_dump(mode="json", include=set(IDENTITY)))

    def promises(self, options: Mapping[str, str]) -> list[str]:
        """Return what the referral promises for predictions with these runtime options, in sentences.

        Empty where the model has no score band, or does not apply it; one sentence where the promise is void.
        """
        void = self.void_promise(options)
        if void is not None:
            return [void]
        band = self._active_band
        return [] if band is None else band.sentences()

    def void_promise(self, options: Mapping[str, str]) -> str | None:
        """Return the sentence that says why the promise does not apply to these runtime options; None where it does."""
        reason = self._active_band and self._active_band.void_reason(options, self._score_difference(options))
        return f"The promise of the referral does not apply: {reason}." if reason else None

    def promised_miss_rate(self, options: Mapping[str, str]) -> float | None:
        """Return the share of missed blasts that the referral promises for these runtime options; None without one."""
        band = self._active_band
        if band is None or band.estimate is not None or self.void_promise(options) is not None:
            return None
        return band.miss.rate

    @property
    def _active_band(self) -> ScoreBand | None:
        """The score band, if it refers cells."""
        return self.referral.band if SCORE_RULE in self.referral.rules else None

    def _score_difference(self, options: Mapping[str, str]) -> float:
        """Largest difference of a score from torch in float32 that the parity check of this runtime measured."""
        runtime = (options.get("runtime"), options.get("precision"))
        same = [export.parity.scores for export in self.exports if (export.runtime, export.precision) == runtime]
        return max(same, default=0.0)

    def title(self, name: str) -> str:
        """Return a class name in words: its entry in `class_titles`, or the default for known names."""
        return self.class_titles.get(name) or class_title(name)

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        empty = [name for name in self.classes if not name.strip()]
        if empty:
            raise ValueError("classes: a name is empty")
        try:
            prediction_columns(self.classes)  # refuses equal names and those of other columns
        except LymphoscopeError as error:
            raise ValueError(str(error)) from error
        if self.blast_class is not None and self.blast_class not in self.classes:
            raise ValueError(f"blast_class {self.blast_class!r} is not one of the classes {list(self.classes)}")
        unknown = sorted(set(self.class_titles) - set(self.classes))
        if unknown:
            raise ValueError(f"class_titles: {unknown[0]!r} is not one of the classes {list(self.classes)}")
        return self
