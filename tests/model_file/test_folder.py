"""A model on disk comes back the same, and a wrong folder is one line."""

import json
from pathlib import Path

import pytest
import torch

from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import (
    Architecture,
    Description,
    Preprocessing,
    build_network,
    load_description,
    load_network,
    record_scores,
    save_model,
)

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
def test_what_is_written_is_what_is_read(tmp_path: Path, head: str) -> None:
    torch.manual_seed(0)
    network = build_network(described(head).architecture, 2).eval()
    written = save_model(network, described(head), tmp_path)
    read, description = load_network(tmp_path)
    images = torch.randn(2, 3, 32, 32)
    expected, found = network(images), read(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert description == written
    assert not read.training


def test_no_pickle_and_nothing_else_is_written(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.json", "weights.safetensors"]


def test_scores_are_recorded_beside_untouched_weights(folder: Path) -> None:
    before = load_description(folder)
    bootstrap = {"unit": "subject", "replicates": 1000}
    scores = {"cells": 9, "subjects": 3, "bootstrap": bootstrap, "weighted_f1": {"value": 0.8, "low": 0.7, "high": 0.9}}
    record_scores(folder, scores)
    after, _ = load_description(folder), load_network(folder)
    assert after.scores == scores
    assert after.weights_sha256 == before.weights_sha256


def change(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2}, "is of format 2; this version of Lymphoscope reads format 3: train the model again"),
        ({"format_version": 4}, "is of format 4; this version of Lymphoscope reads format 3: install a newer version"),
        ({"format_version": 9, "unheard_of": 1}, "is of format 9"),
        ({"unheard_of": 1}, "unheard_of: Extra inputs are not permitted"),
        ({"classes": ["all"]}, "classes: "),
        ({"blast_class": "blast"}, "blast_class 'blast' is not one of the classes"),
        ({"weights_sha256": "0" * 64}, r"weights.safetensors is not the file that model.json names"),
        ({"architecture": {"backbone": "test_resnet", "num_maps": 8}}, "does not fit the network"),
    ],
)
def test_a_wrong_description_is_one_line(folder: Path, changes: dict[str, object], said: str) -> None:
    change(folder, **changes)
    with pytest.raises(LymphoscopeError, match=said) as caught:
        load_network(folder)
    assert "\n" not in str(caught.value)


def test_wrong_files_are_one_line(folder: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"is not a model: it has no model\.json"):
        load_description(folder / "nowhere")
    weights = folder / "weights.safetensors"
    weights.write_bytes(b"not safetensors")
    change(folder, weights_sha256="")
    with pytest.raises(LymphoscopeError, match="is not a safetensors file"):
        load_network(folder)
    weights.unlink()
    with pytest.raises(LymphoscopeError, match=r"weights\.safetensors is missing"):
        load_network(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(LymphoscopeError, match="is not JSON"):
        load_network(folder)
    (folder / "model.json").write_text("[]")
    with pytest.raises(LymphoscopeError, match="does not hold a JSON object"):
        load_network(folder)
