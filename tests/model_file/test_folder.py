"""A model on disk is read back unchanged, and a faulty folder is one line."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import (
    Architecture,
    Description,
    Export,
    Preprocessing,
    build_network,
    description_for_export,
    halve_weights,
    load_description,
    load_network,
    record_exports,
    record_referral,
    record_scores,
    save_model,
)
from lymphoscope.referral import FeatureArrays, FeatureReference, OodReference, Promise, Referral, ScoreBand, Upper

ARRAYS_INT8 = "ood_reference.onnx.int8.safetensors"
MEAN_STD = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


def described(head: str = "attention") -> Description:
    return Description(
        name="tiny",
        architecture=Architecture(backbone="test_resnet", head=head, num_maps=4),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="resize", size=32, **MEAN_STD),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    description = described()
    save_model(build_network(description.architecture, 2), description, tmp_path)
    return tmp_path


@pytest.mark.parametrize("head", ["attention", "linear"])
def test_a_model_is_read_back_unchanged(tmp_path: Path, head: str) -> None:
    torch.manual_seed(0)
    network = build_network(described(head).architecture, 2).eval()
    written = save_model(network, described(head), tmp_path)
    read, description = load_network(tmp_path)
    images = torch.randn(2, 3, 32, 32)
    expected, found = network(images), read(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert description == written
    assert not read.training


def test_halved_weights_are_half_the_size_and_give_nearly_the_same_logits(folder: Path) -> None:
    images = torch.randn(2, 3, 32, 32)
    before, size = load_network(folder)[0](images)[0], (folder / "weights.safetensors").stat().st_size
    halved = halve_weights(folder)
    network, read = load_network(folder)
    assert (folder / "weights.safetensors").stat().st_size < 0.6 * size
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    torch.testing.assert_close(network(images)[0], before, rtol=0.02, atol=0.05)
    assert read == halved


def test_weights_too_large_for_half_precision_are_refused_and_left_as_they_are(folder: Path) -> None:
    network, description = load_network(folder)
    with torch.no_grad():
        next(network.parameters()).fill_(1e6)
    written = save_model(network, description, folder)
    with pytest.raises(LymphoscopeError, match="too large for half precision"):
        halve_weights(folder)
    assert load_description(folder).weights_sha256 == written.weights_sha256


def test_only_the_documented_files_are_written(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.json", "weights.safetensors"]


def test_recording_scores_does_not_touch_the_weights(folder: Path) -> None:
    before = load_description(folder)
    bootstrap = {"unit": "subject", "replicates": 1000}
    scores = {"cells": 9, "subjects": 3, "bootstrap": bootstrap, "weighted_f1": {"value": 0.8, "low": 0.7, "high": 0.9}}
    record_scores(folder, scores)
    after, _ = load_description(folder), load_network(folder)
    assert after.scores == scores
    assert after.weights_sha256 == before.weights_sha256


def change(folder: Path, **changes: object) -> None:
    """Change entries of model.json; a dot in a name leads into an entry."""
    path = folder / "model.json"
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split(".")
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def one_line(folder: Path, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message) as caught:
        load_network(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


EXPORT = {
    "runtime": "onnx",
    "precision": "float32",
    "graph": "network",
    "files": {"network.onnx": "0" * 64},
    "weights_sha256": "0" * 64,
    "accepted": 1.0,
    "parity": dict.fromkeys(["cells", "labels", "boxes", "boxes_iou", "scores", "mean_scores", "first_streams"], 1)
    | {"source": "cells"},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 3}, "is of format 3; this version of Lymphoscope reads format 4: train the model again"),
        ({"format_version": 5}, "is of format 5; this version of Lymphoscope reads format 4: install a newer version"),
        ({"format_version": 9, "unheard_of": 1}, "is of format 9"),
        ({"format_version": True}, "is of format True"),
        ({"format_version": None}, "is of format None"),
        ({"format_version": "4"}, "is of format 4; this"),
        ({"unheard_of": 1}, "unheard_of: Extra inputs are not permitted"),
        ({"classes": ["all"]}, "classes: "),
        ({"classes": ["all", "all"]}, "column crop_all would appear twice"),
        ({"classes": ["all", " "]}, "a name is empty"),
        ({"classes": ["all", "vote"]}, "would appear twice"),
        ({"class_titles": {"blast": "lymphoblast"}}, "class_titles: 'blast' is not one of the classes"),
        ({"blast_class": "blast"}, "blast_class 'blast' is not one of the classes"),
        ({"test_time.streams": []}, "raw is needed"),
        ({"test_time.streams": ["crop", "erase"]}, "raw is needed"),
        ({"test_time.streams": ["raw", "raw"]}, "each stream once"),
        ({"test_time.crop_threshold": 1.5}, "test_time.crop_threshold: "),
        ({"preprocessing.size": 0}, "preprocessing.size: "),
        ({"preprocessing.size": 10**9}, "preprocessing.size: "),
        ({"preprocessing.std": [0.2, 0.0, 0.2]}, "preprocessing.std.1: "),
        ({"referral.minimum_score": 1.5}, "referral.minimum_score: "),
        ({"referral.rules": ["novelty"]}, "unknown referral rule 'novelty'"),
        ({"calibration": {"temperature": 0, "cells": 1, "subjects": 1, "how": ""}}, "calibration.temperature: "),
        ({"architecture.num_maps": 10**12}, "architecture.num_maps: "),
        ({"architecture.backbone": "nonsense"}, "nonsense"),
        ({"architecture.num_maps": 8}, "does not fit the network"),
        ({"weights_sha256": "0" * 64}, r"weights.safetensors is not the file that model.json names"),
        ({"weights_sha256": ""}, "weights_sha256 is empty, so the weights cannot be checked"),
        ({"weights_sha256": "nonsense"}, "weights_sha256: "),
        ({"exports": [EXPORT | {"files": {"../network.onnx": "0" * 64}}]}, "exports.0.files"),
        ({"exports": [EXPORT | {"files": {"/etc/passwd": "0" * 64}}]}, "exports.0.files"),
        ({"exports": [EXPORT | {"files": {"..": "0" * 64}}]}, "exports.0.files"),
        ({"exports": [EXPORT | {"files": {"network.onnx": ""}}]}, "exports.0.files"),
        ({"exports": [EXPORT | {"files": {}}]}, "exports.0.files"),
        ({"exports": [EXPORT | {"weights_sha256": ""}]}, "exports.0.weights_sha256"),
    ],
)
def test_an_invalid_description_is_one_line(folder: Path, changes: dict[str, object], message: str) -> None:
    change(folder, **changes)
    one_line(folder, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "does not hold a JSON object"),
        (b"\xff\xfe{}", "is not JSON"),
        (b'{"format_version": NaN}', "NaN is not a JSON number"),
        (b'{"format_version": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"format_version": 4}', "name: Field required"),
    ],
)
def test_a_damaged_description_is_one_line(folder: Path, content: bytes, message: str) -> None:
    (folder / "model.json").write_bytes(content)
    one_line(folder, message)


def test_missing_and_damaged_weights_are_one_line(folder: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"is not a model: it has no model\.json"):
        load_description(folder / "nowhere")
    weights = folder / "weights.safetensors"
    for content in (b"not safetensors", b"", (2**63).to_bytes(8, "little") + b"{}"):
        weights.write_bytes(content)
        change(folder, weights_sha256=hashlib.sha256(content).hexdigest())
        one_line(folder, "is not a safetensors file")
    weights.unlink()
    one_line(folder, r"weights\.safetensors is missing")
    weights.mkdir()
    one_line(folder, r"weights\.safetensors is missing")


def with_ood_reference(folder: Path, ood_reference: OodReference) -> None:
    identity = np.eye(3, 2, dtype=np.float32)
    arrays = FeatureArrays(np.zeros(3, np.float32), identity, np.zeros((2, 2), np.float32), identity[:2])
    reference = ood_reference.model_copy(update={"arrays": arrays})
    record_referral(folder, calibration=None, referral=Referral(ood_reference=reference))


def test_ood_arrays_are_read_back(folder: Path, ood_reference: OodReference) -> None:
    with_ood_reference(folder, ood_reference)
    reference = load_description(folder).referral.ood_reference
    assert reference is not None
    assert reference.arrays is not None
    np.testing.assert_array_equal(reference.arrays.axes, np.eye(3, 2))


@pytest.mark.parametrize(
    "arrays",
    [
        {"centre": np.zeros(3, np.float32)},
        {"centre": np.zeros(3, np.float32), "axes": np.eye(2, dtype=np.float32)},
        {"centre": np.full(3, np.nan, np.float32), "axes": np.eye(3, dtype=np.float32)},
        {"centre": np.zeros(3, np.float32), "axes": np.eye(3, dtype=np.float32), "more": np.zeros(1, np.float32)},
    ],
)
def test_wrong_ood_arrays_are_one_line(
    folder: Path, ood_reference: OodReference, arrays: dict[str, np.ndarray]
) -> None:
    with_ood_reference(folder, ood_reference)
    path = folder / "ood_reference.safetensors"
    path.write_bytes(save(arrays))
    one_line(folder, "is not the file that model.json names")
    change(folder, **{"referral.ood_reference.arrays_sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    one_line(folder, "does not hold the arrays of an OOD reference")
    change(folder, **{"referral.ood_reference.arrays_sha256": ""})
    one_line(folder, "is not the file that model.json names")
    path.unlink()
    one_line(folder, r"ood_reference\.safetensors is missing")


def with_int8(folder: Path, ood_reference: OodReference, precision: str = "int8") -> Export:
    """A model whose int8 network has features at twice the distance, and limits of its own."""
    with_ood_reference(folder, ood_reference)
    identity = np.eye(3, 2, dtype=np.float32)
    features = FeatureReference(
        feature_distance=3.0,
        class_distance=Upper(middle=0.0, high=2.0),
        feature_distance_cells=120,
        feature_distance_subjects=12,
        how="by hand",
        arrays=FeatureArrays(np.ones(3, np.float32), identity, np.zeros((2, 2), np.float32), identity[:2]),
    )
    (folder / "network.int8.onnx").write_bytes(b"int8")
    export = Export.model_validate(
        {
            "runtime": "onnx",
            "precision": precision,
            "graph": "network",
            "files": {"network.int8.onnx": hashlib.sha256(b"int8").hexdigest()},
            "weights_sha256": load_description(folder).weights_sha256,
            "accepted": 0.99,
            "parity": dict.fromkeys(("labels", "boxes", "boxes_iou", "scores", "mean_scores", "first_streams"), 1.0)
            | {"cells": 1, "source": "by hand"},
        }
    )
    return record_exports(folder, [export.model_copy(update={"features": features})]).exports[0]


def test_the_reference_of_an_export_is_read_back(folder: Path, ood_reference: OodReference) -> None:
    export = with_int8(folder, ood_reference)
    description = load_description(folder)
    assert [one.model_dump() for one in description.exports] == [export.model_dump()]
    opened = description_for_export(folder, description, export)
    reference = opened.referral.ood_reference
    assert reference is not None
    assert (reference.features.feature_distance, reference.features.how) == (3.0, "by hand")
    np.testing.assert_array_equal(reference.features.arrays.centre, [1, 1, 1])  # type: ignore[union-attr]
    # What is written, and what tells models apart, is the model's own.
    assert opened.model_id == description.model_id
    assert opened.model_dump_json() == description.model_dump_json()
    assert (reference.feature_distance, reference.share) == (1.5, 0.99)
    assert "_of_network" not in json.loads((folder / "model.json").read_text())["referral"]["ood_reference"]
    # Another record of the exports keeps the arrays.
    before = (folder / ARRAYS_INT8).read_bytes()
    record_exports(folder, description.exports)
    assert (folder / ARRAYS_INT8).read_bytes() == before
    assert description_for_export(folder, load_description(folder), export).model_id == description.model_id


@pytest.mark.parametrize("damage", ["changed", "missing", "no arrays"])
def test_damaged_arrays_of_an_export_are_one_line(folder: Path, ood_reference: OodReference, damage: str) -> None:
    export = with_int8(folder, ood_reference)
    path, description = folder / ARRAYS_INT8, load_description(folder)
    if damage == "changed":
        path.write_bytes((folder / "ood_reference.safetensors").read_bytes())
        message = rf"{re.escape(ARRAYS_INT8)} is not the file that model\.json names \(SHA-256 differs\)"
    elif damage == "missing":
        path.unlink()
        message = rf"{re.escape(ARRAYS_INT8)} is missing"
    else:
        path.write_bytes(b"nothing")
        sha256 = hashlib.sha256(b"nothing").hexdigest()
        features = export.features.model_copy(update={"arrays_sha256": sha256})  # type: ignore[union-attr]
        export = export.model_copy(update={"features": features})
        message = "does not hold the arrays of an OOD reference"
    with pytest.raises(LymphoscopeError, match=message) as raised:
        description_for_export(folder, description, export)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("precision", ["int8", "bfloat16", "float32"])
def test_a_network_that_rounds_is_not_opened_with_the_reference_of_another(
    folder: Path, ood_reference: OodReference, precision: str
) -> None:
    export = with_int8(folder, ood_reference, precision)
    without = export.model_copy(update={"features": None})
    description = load_description(folder)
    if precision == "float32":
        assert description_for_export(folder, description, without) == description
        return
    with pytest.raises(
        LymphoscopeError, match=rf"{precision} for onnx has no out-of-distribution reference of its own"
    ):
        description_for_export(folder, description, without)
    nothing_to_find = description.model_copy(update={"referral": Referral()})
    assert description_for_export(folder, nothing_to_find, without) == nothing_to_find


def test_halving_the_weights_removes_exports_with_their_arrays(folder: Path, ood_reference: OodReference) -> None:
    with_int8(folder, ood_reference)
    halve_weights(folder)
    assert not list(folder.glob("*int8*"))
    assert (folder / "ood_reference.safetensors").is_file()


def test_model_id_depends_on_what_determines_predictions(folder: Path) -> None:
    description = load_description(folder)
    record_scores(folder, {"cells": 9, "subjects": 3, "bootstrap": {"unit": "subject", "replicates": 10}})
    assert load_description(folder).model_id == description.model_id
    assert re.fullmatch("[0-9a-f]{16}", description.model_id)
    stricter = description.referral.model_copy(update={"minimum_score": 0.9})
    for changed in ({"weights_sha256": "0" * 64}, {"referral": stricter}, {"classes": ("hem", "all")}):
        assert description.model_copy(update=changed).model_id != description.model_id
    for changed in ({"name": "other"}, {"limits": "none"}, {"recipe": {"seed": 1}}):
        assert description.model_copy(update=changed).model_id == description.model_id


def test_the_scale_of_fields_counts_for_the_model_id_only_where_it_is_set(folder: Path) -> None:
    description = load_description(folder)
    scaled = description.preprocessing.model_copy(update={"microns_per_pixel": 0.1, "surroundings": "kept"})
    assert description.model_copy(update={"preprocessing": scaled}).model_id != description.model_id
    raw = json.loads((folder / "model.json").read_text())
    for name in ("microns_per_pixel", "surroundings"):
        assert raw["preprocessing"].pop(name) is None
    (folder / "model.json").write_text(json.dumps(raw))  # as a version without the two keys wrote it
    assert load_description(folder).model_id == description.model_id


def test_classes_have_titles() -> None:
    assert [described().title(name) for name in ("all", "hem")] == ["lymphoblast", "normal"]
    titled = described().model_copy(update={"class_titles": {"all": "B-ALL blast"}})
    assert [titled.title(name) for name in ("all", "hem", "other")] == ["B-ALL blast", "normal", "other"]


BAND = ScoreBand(
    low=0.1,
    high=0.9,
    method="risk_control",
    kind="average",
    miss=Promise(stated=0.01, rate=0.01, subjects=99, cells=900),
    false_alarm=Promise(stated=0.05, rate=0.05, subjects=40, cells=800),
)


@pytest.mark.parametrize(
    ("referral", "options", "rate", "first"),
    [
        (Referral(band=BAND), {"precision": "float32", "runtime": "torch"}, 0.01, "At most 1 %"),
        (Referral(band=BAND), {"precision": "int8", "runtime": "torch"}, None, "The promise of the referral does"),
        (
            Referral(band=BAND),
            {"precision": "float32", "runtime": "onnx"},
            None,
            "The promise of the referral does",
        ),
        (Referral(band=BAND.model_copy(update={"estimate": "x"})), {}, None, "Estimates, not promises: x."),
        (Referral(band=BAND, rules=("blur",)), {}, None, None),
        (Referral(), {}, None, None),
    ],
)
def test_what_the_referral_promises_depends_on_the_runtime(
    referral: Referral, options: dict[str, str], rate: float | None, first: str | None
) -> None:
    export = Export.model_validate(EXPORT)  # its parity check found a difference of 1
    description = described().model_copy(update={"referral": referral, "exports": (export,)})
    assert description.promised_miss_rate(options) == rate
    sentences = description.promises(options)
    assert (sentences[0].startswith(first) if first else sentences == []) is True
    assert (description.void_promise(options) is not None) == bool(first and first.startswith("The promise"))
