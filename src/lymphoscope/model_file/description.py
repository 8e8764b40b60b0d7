"""A part of `model.json`, as pydantic reads and writes it.

`model.json`: all that inference must know of a trained model; nothing is guessed.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lymphoscope.data.geometry import Geometry
from lymphoscope.referral.schema import Calibration, OodReference, Referral
from lymphoscope.vocabulary import CropMode, StrictModel

FORMAT_VERSION = 3

Stream = Literal["raw", "crop", "erase"]
Triple = tuple[float, float, float]


class Architecture(StrictModel):
    """The network: a backbone and one of two heads.

    `attention` is the paper's head (bilinear attention pooling over `num_maps` maps, Eq. 1); `linear` is the plain
    backbone with global average pooling, the paper's "without". `norm` says what stands for every batch norm: itself,
    itself with statistics and weights fixed, or group norm.
    """

    backbone: str
    features: str | int | None = Field(
        default=None, description="Stage of the backbone whose features the head gets; null for the last features."
    )
    head: Literal["attention", "linear"] = "attention"
    norm: Literal["batch", "frozen", "group"] = "batch"
    num_maps: int = Field(default=32, ge=1)
    bias: bool = True
    signed_sqrt: bool = True
    l2: bool = True
    scale: float = 100.0
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="Dropout before the classifier, in training only.")


class Preprocessing(StrictModel):
    """From the pixels of a file to the network: how a cell is fitted to `size` pixels and normalised.

    `mean` and `std` are those of RGB scaled to 0-1. `crop` is the side of the centre crop in pixels of the file.
    """

    crop_mode: CropMode
    crop: int = 300
    size: int = 300
    mean: Triple
    std: Triple

    def geometry(self) -> Geometry:
        """The geometry alone, as the reading of images takes it."""
        return Geometry(crop_mode=self.crop_mode, crop=self.crop, size=self.size)


class TestTime(StrictModel):
    """What is done at test time (Eq. 2-5, Algorithm 1); deterministic always.

    Thresholds are fractions of the map's range, `crop_padding` a fraction of the image's side.
    """

    __test__ = False  # pytest takes a class of this name for a test

    map: Literal["mean", "max_energy"] = "mean"
    crop_threshold: float = 0.5
    crop_padding: float = 0.0
    erase_threshold: float = 0.5
    fill: Literal["mean", "black"] = "mean"
    streams: tuple[Stream, ...] = ("raw", "crop", "erase")
    decision: Literal["vote", "mean"] = "vote"


class Thresholds(StrictModel):
    """When a person must look: agreement of the streams, or the score of the predicted class, below these.

    With two classes a score below 0.5 means that vote and mean softmax name different classes.
    """

    minimum_agreement: float = 1.0
    minimum_score: float = 0.5


class Parity(StrictModel):
    """How an export's outputs compare with torch in float32, on real or made cells, three streams each.

    `labels` and `boxes` are the shares of cells where they are equal; `boxes_iou` is the least overlap of two boxes
    (intersection over union); `scores` and `mean_scores` are the largest and the mean absolute difference;
    `first_streams` is the largest difference of the softmax of raw and crop, which no erased pixel touches.
    """

    cells: int
    source: str
    labels: float
    boxes: float
    boxes_iou: float
    scores: float
    mean_scores: float
    first_streams: float


class Export(StrictModel):
    """The network written for a runtime, and how near it came.

    `graph` is `network` (one pass) or `algorithm1` (image in, vote out). `files` are names in the model's folder with
    their SHA-256, the one to open first. `accepted` is the share of equal labels that was asked for. An export is of
    the weights whose SHA-256 it names, and of no others.
    """

    runtime: str
    precision: Literal["float32", "bfloat16", "int8"]
    graph: Literal["network", "algorithm1"]
    files: dict[str, str] = Field(min_length=1)
    weights_sha256: str
    accepted: float
    parity: Parity
    versions: dict[str, str] = Field(default={})


class Description(StrictModel):
    """The content of `model.json`."""

    format_version: int = FORMAT_VERSION
    name: str
    architecture: Architecture
    classes: tuple[str, ...] = Field(min_length=2)
    blast_class: str | None
    preprocessing: Preprocessing
    test_time: TestTime = TestTime()
    thresholds: Thresholds = Thresholds()
    calibration: Calibration | None = None
    referral: Referral | None = None
    ood_reference: OodReference | None = None
    limits: str | None = None
    attribution: str | None = None
    trained_on: dict[str, Any] = Field(default={})
    recipe: dict[str, Any] = Field(default={})
    scores: dict[str, Any] = Field(default={})
    versions: dict[str, str] = Field(default={})
    parameters: int | None = None
    exports: tuple[Export, ...] = ()
    weights_sha256: str = ""

    @model_validator(mode="after")
    def _blast_is_a_class(self) -> Self:
        if self.blast_class is not None and self.blast_class not in self.classes:
            raise ValueError(f"blast_class {self.blast_class!r} is not one of the classes {list(self.classes)}")
        return self
