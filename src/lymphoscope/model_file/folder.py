"""A trained model on disk: a folder with `weights.safetensors`, `model.json` and a card. No pickle is ever loaded."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.files import sha256_of, write_text, written_beside
from lymphoscope.model_file.description import Architecture, Description, Export
from lymphoscope.model_file.model_json import COPY_AGAIN, MODEL_JSON, read_model_json
from lymphoscope.referral import Calibration, FeatureArrays, FeatureReference, OodReference, Referral

if TYPE_CHECKING:
    from torch import Tensor, nn

Reference = TypeVar("Reference", bound=FeatureReference)

WEIGHTS = "weights.safetensors"
OOD_REFERENCE = "ood_reference.safetensors"


def build_network(architecture: Architecture, num_classes: int, *, pretrained: bool = False) -> "nn.Module":
    """Build the network of an architecture with random weights, or with the backbone's ImageNet weights.

    Images (B, 3, H, W) -> logits (B, K) and attention maps (B, M, h, w) with the attention head, logits alone with the
    linear one. Raises LymphoscopeError for an unknown backbone or stage and where the ImageNet weights are not
    available.
    """
    from lymphoscope.backbones import convert_norm, create_backbone
    from lymphoscope.method import WTDFN, PlainNetwork

    backbone = create_backbone(architecture.backbone, pretrained=pretrained, features=architecture.features)
    if architecture.head == "linear":
        return convert_norm(PlainNetwork(backbone, num_classes, dropout=architecture.dropout), architecture.norm)
    options = architecture.model_dump(include={"num_maps", "bias", "signed_sqrt", "l2", "scale", "dropout"})
    return convert_norm(WTDFN(backbone, num_classes, **options), architecture.norm)


def save_model(network: "nn.Module", description: Description, folder: Path) -> Description:
    """Write a network and its description; return the description with the number of parameters and the weights' hash.

    The weights are written first and `model.json` last, so a folder that has one is complete.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    with written_beside(folder / WEIGHTS) as beside:
        # safetensors' own writer reports a full disk as an unrelated error.
        beside.write_bytes(save({name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}))
    return _update(
        description,
        folder,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights_sha256=sha256_of(folder / WEIGHTS),
    )


def halve_weights(folder: Path) -> Description:
    """Round the weights of a model to half precision and store them so: half the size, computed in float32 as before.

    Its exports are dropped, because they are of other weights: export the model again. Raises LymphoscopeError where a
    weight is not finite in half precision.
    """
    import torch

    network, description = load_network(folder)
    with torch.no_grad():
        for name, tensor in network.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                tensor.data = tensor.data.half()
                if not bool(torch.isfinite(tensor).all()):
                    raise LymphoscopeError(f"{folder / WEIGHTS}: {name} is too large for half precision: keep float32")
    for export in description.exports:
        for name in (*export.files, _arrays_file(export)):
            (folder / name).unlink(missing_ok=True)
    return save_model(network, description.model_copy(update={"exports": ()}), folder)


def record_scores(folder: Path, scores: dict[str, Any]) -> None:
    """Write a model's scores into its `model.json`; the weights are not touched."""
    _update(load_description(folder), folder, scores=scores)


def record_referral(folder: Path, *, calibration: Calibration | None, referral: Referral) -> Description:
    """Write what was fitted on calibration subjects into `model.json`, with the arrays of its OOD reference."""
    if referral.ood_reference is not None:
        reference = _with_written_arrays(referral.ood_reference, folder / OOD_REFERENCE)
        referral = referral.model_copy(update={"ood_reference": reference})
    return _update(load_description(folder), folder, calibration=calibration, referral=referral)


def record_exports(folder: Path, exports: Sequence[Export]) -> Description:
    """Write into `model.json` which exports are in the folder, and the arrays of their OOD references.

    Returns the new description.
    """
    written = (
        export
        if export.features is None
        else export.model_copy(
            update={"features": _with_written_arrays(export.features, folder / _arrays_file(export))}
        )
        for export in exports
    )
    return _update(load_description(folder), folder, exports=tuple(written))


def description_for_export(folder: Path, description: Description, export: Export) -> Description:
    """Return the description for an opened export: with the OOD reference of its network, if it has one of its own.

    The model's id stays the same. Raises LymphoscopeError where its arrays are missing or have changed, and for a
    network that rounds and has none: with the reference of float32 it would refer most familiar cells.
    """
    reference = description.referral.ood_reference
    if reference is None or reference.feature_distance is None:
        return description
    if export.precision == "float32":
        return description
    if export.features is None:
        raise LymphoscopeError(
            f"{folder}: its network in {export.title} has no out-of-distribution reference of its own: "
            f"{export_command(folder, export.runtime, export.precision)}"
        )
    arrays = _read_arrays(folder / _arrays_file(export), export.features.arrays_sha256)
    return _with_ood_reference(description, reference.of_network(export.features.model_copy(update={"arrays": arrays})))


def export_command(folder: Path, runtime: str, precision: str) -> str:
    """Return the command that exports a model for a runtime and a precision."""
    flags = {"int8": " --int8 --calibration SRC", "bfloat16": " --precision bfloat16 --calibration SRC"}
    return f"lymphoscope export {folder} --to {runtime}{flags.get(precision, '')}"


def export_files(folder: Path, export: Export) -> list[Path]:
    """Return the files of an export, the one to open first.

    Raises LymphoscopeError if one is missing or has changed.
    """
    for name, expected in export.files.items():
        if not (folder / name).is_file():
            raise LymphoscopeError(f"{folder / name} is missing: export the model again")
        if sha256_of(folder / name) != expected:
            raise LymphoscopeError(f"{folder / name} differs from the file that {MODEL_JSON} names: export it again")
    return [folder / name for name in export.files]


def load_description(folder: Path) -> Description:
    """Read `model.json` and the arrays that it names.

    Raises LymphoscopeError where a file is missing, damaged or of another format.
    """
    path, content = folder / MODEL_JSON, read_model_json(folder)
    try:
        description = Description.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise LymphoscopeError(f"{path}: {where}: {one_line(first['msg'])}: {COPY_AGAIN}") from error
    if not description.weights_sha256:
        raise LymphoscopeError(f"{path}: weights_sha256 is empty, so the weights cannot be checked: {COPY_AGAIN}")
    return _with_arrays(description, folder)


def load_network(folder: Path) -> "tuple[nn.Module, Description]":
    """Read a model: the network in evaluation mode, on the CPU, in float32, and its description.

    Raises LymphoscopeError where the weights are missing, changed since they were written, or of another network.
    """
    description = load_description(folder)
    weights = _read_weights(folder / WEIGHTS, description.weights_sha256)
    try:
        network = build_network(description.architecture, len(description.classes))
        network.load_state_dict(weights)
    except LymphoscopeError as error:
        raise LymphoscopeError(f"{folder / MODEL_JSON}: {error}") from error
    except (RuntimeError, ValueError, TypeError) as error:
        raise LymphoscopeError(f"{folder / WEIGHTS} does not fit the network of {MODEL_JSON}: {COPY_AGAIN}") from error
    return network.eval(), description


def _update(description: Description, folder: Path, **changes: Any) -> Description:
    from lymphoscope.model_file.card import write_card  # here, because reading a model needs no metrics

    updated = description.model_copy(update=changes)
    write_card(updated, folder)
    write_text(folder / MODEL_JSON, updated.model_dump_json(indent=2) + "\n")
    return updated


def _arrays_file(export: Export) -> str:
    """Return the name of the arrays of an export's own OOD reference."""
    return f"ood_reference.{export.runtime}.{export.precision}.safetensors"


def _with_written_arrays(reference: Reference, path: Path) -> Reference:
    """Write the arrays of a reference, and return it with their hash; unchanged where it holds no arrays."""
    from safetensors.numpy import save

    if reference.arrays is None:
        return reference
    with written_beside(path) as beside:
        beside.write_bytes(save({name: np.ascontiguousarray(array) for name, array in vars(reference.arrays).items()}))
    return reference.model_copy(update={"arrays_sha256": sha256_of(path)})


def _with_arrays(description: Description, folder: Path) -> Description:
    reference = description.referral.ood_reference
    if reference is None or reference.feature_distance is None:
        return description
    arrays = _read_arrays(folder / OOD_REFERENCE, reference.arrays_sha256)
    return _with_ood_reference(description, reference.model_copy(update={"arrays": arrays}))


def _with_ood_reference(description: Description, reference: OodReference) -> Description:
    referral = description.referral.model_copy(update={"ood_reference": reference})
    return description.model_copy(update={"referral": referral})


def _read_arrays(path: Path, expected_sha256: str) -> FeatureArrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = _checked_bytes(path, expected_sha256)
    try:
        return FeatureArrays(**load(content))
    except (SafetensorError, TypeError, LymphoscopeError) as error:
        raise LymphoscopeError(f"{path} does not hold the arrays of an OOD reference: {COPY_AGAIN}") from error


def _read_weights(path: Path, expected_sha256: str) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(_checked_bytes(path, expected_sha256))
    except SafetensorError as error:
        raise LymphoscopeError(f"{path} is not a safetensors file ({one_line(error)}): {COPY_AGAIN}") from error


def _checked_bytes(path: Path, expected_sha256: str) -> bytes:
    """Return the content of a file that `model.json` names, if its hash is the expected one."""
    content = _read_bytes(path)
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise LymphoscopeError(f"{path} is not the file that {MODEL_JSON} names (SHA-256 differs): {COPY_AGAIN}")
    return content


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise LymphoscopeError(f"{path} is missing: {COPY_AGAIN}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise LymphoscopeError(f"{path} cannot be read: {error.strerror}") from error
