"""The torch runtime computes the method, with the options of the model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import TernaryRuntime
from lymphoscope.inference.backends.torch_network import TorchNetwork, find_device
from lymphoscope.method import predict_ternary
from lymphoscope.model_file import load_network, save_model
from lymphoscope.vocabulary import ErasePolicy

MEAN, STD = np.array([0.5, 0.4, 0.6]), np.array([0.2, 0.25, 0.3])
SIDE = 64


def torch_runtime(
    folder: Path, *, device: str, precision: str = "float32", erase: ErasePolicy = "always"
) -> TernaryRuntime:
    return TernaryRuntime(TorchNetwork(folder, device=device, precision=precision), erase)


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """Cells (B, S, S, 3): a bright disc on noise, so that the maps are not flat."""
    generator = np.random.default_rng(1)
    cells = generator.integers(0, 90, (6, SIDE, SIDE, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for cell in cells:
        top, left = generator.integers(16, 48, 2)
        cell[(rows - top) ** 2 + (columns - left) ** 2 < 144] += generator.integers(80, 160, 3)
    return cells.astype(np.uint8)


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.tensor((pixels / 255 - MEAN) / STD, dtype=torch.float32).permute(0, 3, 1, 2).contiguous()


def test_torch_computes_the_method_on_normalised_cells(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    found = torch_runtime(tiny_model, device="cpu").predict(pixels)
    network, _ = load_network(tiny_model)
    wanted = predict_ternary(network, normalised(pixels))
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.votes.tolist() == wanted.votes.tolist()
    np.testing.assert_allclose(found.scores, wanted.scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities.numpy(), atol=1e-4)
    assert found.boxes is not None
    assert np.abs(found.boxes - wanted.boxes.numpy()).max() <= 1
    assert found.scores.dtype == np.float32


def test_test_time_options_are_those_of_the_model(tiny_model: Path, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    network, description = load_network(tiny_model)
    settings = description.test_time.model_copy(
        update={"crop_threshold": 0.1, "erase_threshold": 0.3, "fill": "black", "map": "max_energy"}
    )
    save_model(network, description.model_copy(update={"test_time": settings}), tmp_path)
    found = torch_runtime(tmp_path, device="cpu").predict(pixels)
    black = tuple(float(value) for value in -MEAN / STD)
    wanted = predict_ternary(
        network, normalised(pixels), map="max_energy", crop_threshold=0.1, erase_threshold=0.3, fill=black
    )
    np.testing.assert_allclose(found.probabilities, wanted.probabilities.numpy(), atol=1e-4)


def test_lazy_voting_changes_no_label(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    always = torch_runtime(tiny_model, device="cpu").predict(pixels)
    skipping = torch_runtime(tiny_model, device="cpu", erase="on_disagreement").predict(pixels)
    assert skipping.labels.tolist() == always.labels.tolist()
    agreed = always.votes[0] == always.votes[1]
    assert (skipping.votes[2] == -1).tolist() == agreed.tolist()
    assert np.isnan(skipping.probabilities[2]).all(axis=1).tolist() == agreed.tolist()


def test_bfloat16_is_near_float32(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    full = torch_runtime(tiny_model, device="cpu").predict(pixels)
    half = torch_runtime(tiny_model, device="cpu", precision="bfloat16").predict(pixels)
    assert not np.array_equal(half.probabilities, full.probabilities)
    np.testing.assert_allclose(half.probabilities[0], full.probabilities[0], atol=0.15)
    assert half.scores.dtype == np.float32


def test_a_model_without_attention_has_the_raw_stream_only(plain_model: Path, pixels: NDArray[np.uint8]) -> None:
    runtime = torch_runtime(plain_model, device="cpu")
    found = runtime.predict(pixels)
    network, _ = load_network(plain_model)
    with torch.no_grad():
        wanted = network(normalised(pixels)).softmax(dim=1).numpy()
    np.testing.assert_allclose(found.scores, wanted, atol=1e-5)
    assert found.labels.tolist() == wanted.argmax(axis=1).tolist()
    assert np.isnan(found.probabilities[1:]).all()
    assert (found.votes[1:] == -1).all()
    assert found.agreement.tolist() == [1.0] * len(pixels)
    assert found.boxes is None
    with pytest.raises(LymphoscopeError, match="linear head"):
        runtime.explain(pixels)


def test_explain_returns_the_crop_and_the_erased_region(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    seen = torch_runtime(tiny_model, device="cpu", erase="on_disagreement").explain(pixels)
    assert (seen.outputs.votes >= 0).all()  # all three streams run
    assert seen.maps.shape == pixels.shape[:3]
    assert seen.crops.shape == seen.erased.shape == pixels.shape
    hole = seen.maps >= 0.5
    assert (seen.erased[~hole] == pixels[~hole]).all()
    assert hole.any()
    assert (np.abs(seen.erased[hole] - MEAN * 255) <= 0.51).all()


def test_boxes_are_the_smallest_around_the_attended_region(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    seen = torch_runtime(tiny_model, device="cpu").explain(pixels)
    assert np.array_equal(seen.boxes, seen.outputs.boxes)
    for attention, box in zip(seen.maps, seen.boxes, strict=True):
        rows, columns = np.nonzero(attention >= 0.5)
        assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_a_model_that_uses_the_raw_stream_only_can_be_explained(
    tiny_model: Path, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    network, description = load_network(tiny_model)
    settings = description.test_time.model_copy(update={"streams": ("raw",)})
    save_model(network, description.model_copy(update={"test_time": settings}), tmp_path)
    runtime = torch_runtime(tmp_path, device="cpu")
    assert runtime.predict(pixels).boxes is None
    assert runtime.explain(pixels).boxes.shape == (len(pixels), 4)


def test_the_same_cells_give_the_same_bits(tiny_model: Path, pixels: NDArray[np.uint8]) -> None:
    first, second = (torch_runtime(tiny_model, device="cpu").predict(pixels) for _ in range(2))
    assert first.probabilities.tobytes() == second.probabilities.tobytes()


def test_options_name_what_the_numbers_depend_on(tiny_model: Path) -> None:
    runtime = torch_runtime(tiny_model, device="cpu", precision="bfloat16", erase="on_disagreement")
    assert runtime.options == {
        "runtime": "torch",
        "device": "cpu",
        "precision": "bfloat16",
        "erase": "on_disagreement",
    }


def test_devices_are_found_or_refused_in_one_line() -> None:
    assert find_device("cpu").type == "cpu"
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert find_device("auto").type == best
    for name in ("tpu", "cuda:99", ""):
        with pytest.raises(LymphoscopeError, match="no device"):
            find_device(name)
