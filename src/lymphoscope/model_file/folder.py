"""An architecture -> the network.

A trained model on disk: `weights.safetensors`, `model.json` and a card. No pickle is ever loaded.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import sha256_of, write_text, written_beside
from lymphoscope.model_file.card import write_card
from lymphoscope.model_file.description import FORMAT_VERSION, Architecture, Description, Export, Thresholds
from lymphoscope.referral.schema import Calibration, FeatureArrays, OodReference, Referral

if TYPE_CHECKING:
    from torch import Tensor, nn


def build_network(architecture: Architecture, num_classes: int, *, pretrained: bool = False) -> "nn.Module":
    """Make the network that an architecture names, with fresh weights or a backbone's ImageNet weights.

    Images (B, 3, H, W) -> logits (B, K) and attention maps (B, M, h, w) for the attention head, logits alone for the
    linear one. Raises LymphoscopeError for an unknown backbone or stage and for ImageNet weights that cannot be had
    here.
    """
    from lymphoscope.backbones import convert_norm, create_backbone
    from lymphoscope.method import WTDFN, PlainNetwork

    backbone = create_backbone(architecture.backbone, pretrained=pretrained, features=architecture.features)
    if architecture.head == "linear":
        return convert_norm(PlainNetwork(backbone, num_classes, dropout=architecture.dropout), architecture.norm)
    options = architecture.model_dump(include={"num_maps", "bias", "signed_sqrt", "l2", "scale", "dropout"})
    return convert_norm(WTDFN(backbone, num_classes, **options), architecture.norm)


WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"
OOD_REFERENCE = "ood_reference.safetensors"


def save_model(network: "nn.Module", description: Description, folder: Path) -> Description:
    """Write a network and its description; return the description with its parameters' count and its weights' hash.

    The weights come first and `model.json` last, so a folder that has one is whole.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    with written_beside(folder / WEIGHTS) as beside:
        # Its own writer would hide a full disk behind an error of another kind.
        beside.write_bytes(save({name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}))
    facts = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_sha256": sha256_of(folder / WEIGHTS),
    }
    described = description.model_copy(update=facts)
    _write_words(described, folder)
    return described


def record_scores(folder: Path, scores: dict[str, Any]) -> None:
    """Write what the model scored into its `model.json`; the weights stay as they are."""
    _write_words(load_description(folder).model_copy(update={"scores": scores}), folder)


def record_evidence(
    folder: Path,
    *,
    calibration: Calibration | None,
    referral: Referral | None,
    ood_reference: OodReference | None,
    thresholds: Thresholds,
) -> Description:
    """Write what was fitted on inner subjects into `model.json`, the arrays of ood_reference beside it first."""
    found = {"calibration": calibration, "referral": referral, "thresholds": thresholds}
    if ood_reference is not None and ood_reference.arrays is not None:
        ood_reference = ood_reference.model_copy(update={"arrays_sha256": _write_arrays(ood_reference.arrays, folder)})
    described = load_description(folder).model_copy(update=found | {"ood_reference": ood_reference})
    _write_words(described, folder)
    return described


def record_exports(folder: Path, exports: Sequence[Export]) -> Description:
    """Write into `model.json` which exports stand beside the weights; return the new description."""
    described = load_description(folder).model_copy(update={"exports": tuple(exports)})
    _write_words(described, folder)
    return described


def export_files(folder: Path, export: Export) -> list[Path]:
    """The files of an export, the one to open first. Raises LymphoscopeError where one is missing or changed."""
    for name, expected in export.files.items():
        if not (folder / name).is_file():
            raise LymphoscopeError(f"{folder / name} is missing: export the model anew")
        if sha256_of(folder / name) != expected:
            raise LymphoscopeError(f"{folder / name} is not the file that {DESCRIPTION} names: export the model anew")
    return [folder / name for name in export.files]


def is_model_folder(folder: Path) -> bool:
    """Whether a path is a folder that says it is a model."""
    return (folder / DESCRIPTION).is_file()


def load_description(folder: Path) -> Description:
    """Read `model.json`. Raises LymphoscopeError where it or what it names is missing, broken, or of another format."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise LymphoscopeError(f"{folder} is no model: it has no {DESCRIPTION}. A run keeps its model in RUN/model.")
    content = _read_json(path)
    version = content.get("format_version")
    if isinstance(version, int) and version != FORMAT_VERSION:
        remedy = "install a newer version" if version > FORMAT_VERSION else "train the model again"
        raise LymphoscopeError(
            f"{path} is of format {version}; this version of Lymphoscope reads format {FORMAT_VERSION}: {remedy}"
        )
    try:
        return _with_arrays(Description.model_validate_json(json.dumps(content)), folder)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise LymphoscopeError(f"{path}: {where}: {first['msg']}. Take the folder anew from its run.") from error


def load_network(folder: Path) -> "tuple[nn.Module, Description]":
    """Read a model: the network in evaluation mode, on the CPU, in float32, and its description.

    Raises LymphoscopeError where the weights are missing, changed since they were written, or of another network.
    """
    description = load_description(folder)
    network = build_network(description.architecture, len(description.classes))
    weights = _read_weights(folder / WEIGHTS, description.weights_sha256)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise LymphoscopeError(
            f"{folder / WEIGHTS} does not fit the network of {DESCRIPTION}: take the folder anew from its run"
        ) from error
    return network.eval(), description


def demonstration_model() -> Path:
    """The folder of the small model that ships inside the package; read its `limits` before its results."""
    return Path(__file__).parent / "demonstration"


def _write_arrays(arrays: FeatureArrays, folder: Path) -> str:
    from safetensors.numpy import save

    with written_beside(folder / OOD_REFERENCE) as beside:
        beside.write_bytes(save({"centre": arrays.centre, "axes": np.ascontiguousarray(arrays.axes)}))
    return sha256_of(folder / OOD_REFERENCE)


def _with_arrays(description: Description, folder: Path) -> Description:
    ood_reference = description.ood_reference
    if ood_reference is None or not ood_reference.arrays_sha256:
        return description
    arrays = FeatureArrays(**_read_arrays(folder / OOD_REFERENCE, ood_reference.arrays_sha256))
    return description.model_copy(update={"ood_reference": ood_reference.model_copy(update={"arrays": arrays})})


def _read_arrays(path: Path, expected_sha256: str) -> dict[str, NDArray[np.float32]]:
    from safetensors.numpy import load

    if not path.is_file():
        raise LymphoscopeError(f"{path} is missing: take the model folder anew from its run")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise LymphoscopeError(f"{path} is not the file that {DESCRIPTION} names (SHA-256 differs): copy it anew")
    return load(content)


def _write_words(description: Description, folder: Path) -> None:
    write_card(description, folder)
    write_text(folder / DESCRIPTION, description.model_dump_json(indent=2) + "\n")


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LymphoscopeError(f"{path} is not JSON ({error}): take the folder anew from its run") from error
    if not isinstance(content, dict):
        raise LymphoscopeError(f"{path} does not hold a JSON object: take the folder anew from its run")
    return content


def _read_weights(path: Path, expected_sha256: str) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise LymphoscopeError(f"{path} is missing: take the model folder anew from its run")
    if expected_sha256 and sha256_of(path) != expected_sha256:
        raise LymphoscopeError(f"{path} is not the file that {DESCRIPTION} names (SHA-256 differs): copy it anew")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise LymphoscopeError(f"{path} is not a safetensors file ({error}): copy it anew") from error
