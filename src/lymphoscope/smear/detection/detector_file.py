"""A trained detector on disk: a folder with detector.json, detector.onnx and detector.safetensors."""

from pathlib import Path

from pydantic import Field, ValidationError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel

FORMAT_VERSION = 1


class DetectorDescription(StrictModel):
    """What detector.json says."""

    format_version: int = Field(description="Version of the format of this file.")
    name: str = Field(description="Name of the detector.")
    kind: str = Field(description="Kind of network: center_points.")
    threshold: float = Field(ge=0, le=1, description="Score from which a peak of the heat map is a cell.")
    microns_per_pixel: float = Field(gt=0, description="Scale at which the network sees a field.")
    trained_on: dict[str, int] = Field(description="Number of images from each source that it was trained on.")
    steps: int = Field(ge=1, description="Number of training steps.")
    software: str = Field(description="Version of Lymphoscope that trained it.")


def read_detector_file(folder: Path) -> DetectorDescription:
    """Read detector.json. Raises LymphoscopeError if the folder is not a trained detector, or of another format."""
    file = folder / "detector.json"
    if not file.is_file() or not (folder / "detector.onnx").is_file():
        raise LymphoscopeError(f"detector {folder}: not a folder with detector.json and detector.onnx")
    try:
        description = DetectorDescription.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"])) or "the file"
        raise LymphoscopeError(f"{file} is damaged: {key}: {fault['msg']}; copy the detector again") from error
    if description.format_version != FORMAT_VERSION or description.kind != "center_points":
        raise LymphoscopeError(
            f"{file}: format {description.format_version} of kind {description.kind} is not supported; train it again"
        )
    return description
