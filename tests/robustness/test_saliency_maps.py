"""Heat maps against networks whose reasons are known, and Grad-CAM against one worked by hand."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Model, load
from lymphoscope.inference.ternary import Runtime
from lymphoscope.model_file import Architecture, Description, Preprocessing, TestTime
from lymphoscope.robustness import measure_saliency
from lymphoscope.robustness.saliency import areas, followed_curves
from lymphoscope.robustness.saliency_model import SaliencyModel, saliency_model_of

SIDE, COARSE = 32, 8
SPOT = (slice(4, 16), slice(12, 24))
"""Where the toy network looks: whole coarse pixels 1-3 down and 3-5 across."""


class Toy(nn.Module):
    """Linear in what it sees: features are coarse means of the colours, the logit a weighted sum over a known spot."""

    def __init__(self, attention: Tensor | None = None) -> None:
        super().__init__()
        self.backbone = nn.AvgPool2d(SIDE // COARSE)
        where = torch.zeros(COARSE, COARSE)
        where[1:4, 3:6] = 1.0
        self.weights = nn.Parameter(torch.tensor([[0.5, -0.2, 0.3], [-0.5, 0.2, -0.3]]))  # (K, C)
        self.register_buffer("where", where)
        self.attention = where if attention is None else attention

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.backbone(images)  # (B, 3, h, w)
        seen = (features * self.where).mean(dim=(2, 3)) * 8  # (B, C)
        maps = self.attention.expand(len(images), 1, COARSE, COARSE)
        return seen @ self.weights.T, maps, features.mean(dim=(2, 3))


def toy_description(fill: str = "mean") -> Description:
    return Description(
        name="toy",
        architecture=Architecture(backbone="test_resnet"),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="resize", size=SIDE, mean=(0.5, 0.4, 0.6), std=(0.2, 0.25, 0.3)),
        test_time=TestTime.model_validate({"fill": fill}),
    )


def a_cell(seed: int = 0) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(100, 156, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[SPOT] = (240, 90, 230)
    return pixels


def test_the_map_of_a_network_that_looks_at_one_spot_is_best_and_its_inverse_worst() -> None:
    probe = SaliencyModel(Toy(), toy_description())
    seen = probe.look(a_cell())
    generator = np.random.default_rng(0)
    maps = [seen.attention, -seen.attention, *(generator.random((SIDE, SIDE)) for _ in range(8))]
    found = [followed_curves(partial(probe.follow, seen), heat, 8, 0) for heat in maps]
    deletion, insertion = (np.array([float(areas(each[kind])) for each in found]) for kind in (0, 1))
    assert deletion.argmin() == insertion.argmax() == 0
    assert deletion.argmax() == insertion.argmin() == 1


def test_grad_cam_of_a_linear_network_is_the_one_worked_by_hand() -> None:
    network = Toy()
    seen = SaliencyModel(network, toy_description()).look(a_cell())
    with torch.no_grad():
        features = network.backbone(seen.image[None])[0]  # (3, h, w)
        # the gradient of a logit is weight * where * 8 / (h * w): its mean over (h, w) weighs each channel
        channels = network.weights[seen.called] * network.where.mean() * 8 / COARSE**2
        by_hand = (channels[:, None, None] * features).sum(dim=0).relu()
        large = nn.functional.interpolate(by_hand[None, None], (SIDE, SIDE), mode="bilinear")[0, 0]
    np.testing.assert_allclose(seen.grad_cam, (large - large.min()) / (large.max() - large.min()), atol=1e-5)
    assert seen.grad_cam[SPOT].mean() > 4 * np.delete(seen.grad_cam, np.arange(4, 16), axis=0).mean()


def test_the_score_followed_is_the_softmax_of_the_called_class() -> None:
    network = Toy()
    probe = SaliencyModel(network, toy_description())
    seen = probe.look(a_cell())
    nothing, everything = np.zeros((1, SIDE, SIDE), dtype=bool), np.ones((1, SIDE, SIDE), dtype=bool)
    with torch.no_grad():
        scores = network.forward_with_features(seen.image[None])[0].softmax(dim=1)[0]
    assert seen.called == int(scores.argmax()) == 0
    assert probe.follow(seen, nothing)[0] == pytest.approx(float(scores[0]))
    # all pixels at the mean: a linear network without bias is undecided
    assert probe.follow(seen, everything)[0] == pytest.approx(0.5)


def test_pixels_are_painted_in_the_models_fill() -> None:
    network, black = Toy(), toy_description("black")
    probe = SaliencyModel(network, black)
    painted = probe.follow(probe.look(a_cell()), np.ones((1, SIDE, SIDE), dtype=bool))[0]
    alone = SaliencyModel(network, toy_description()).look(np.zeros((SIDE, SIDE, 3), dtype=np.uint8))
    with torch.no_grad():
        expected = network.forward_with_features(alone.image[None])[0].softmax(dim=1)[0, 0]
    assert painted == pytest.approx(float(expected))


def test_many_pictures_give_what_each_gives_alone(tiny_model: Path) -> None:
    model = load(tiny_model, device="cpu", runtime="torch")
    probe = saliency_model_of(model)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = probe.look(pixels)
    masks = np.random.default_rng(1).random((40, 64, 64)) < 0.3
    together = probe.follow(seen, masks)
    np.testing.assert_allclose(together, [probe.follow(seen, mask[None])[0] for mask in masks], atol=1e-5)
    raw = model.runtime.predict(pixels[None])
    assert probe.follow(seen, masks[:1] & False)[0] == pytest.approx(
        float(raw.probabilities[0, 0, seen.called]), abs=1e-5
    )
    np.testing.assert_allclose(seen.attention, model.runtime.explain(pixels[None]).maps[0], atol=1e-5)


@pytest.fixture
def cells(tmp_path: Path) -> Manifest:
    rows = []
    for place in range(8):
        path = tmp_path / f"{place}.png"
        pixels = np.random.default_rng(place).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        rows.append({"path": str(path), "label": ("all", "hem")[place % 2], "subject": f"S{place % 4}"})
    return Manifest(pd.DataFrame(rows).reindex(columns=COLUMNS), "table")


def test_a_model_file_is_tested_whole(tiny_model: Path, cells: Manifest) -> None:
    model = load(tiny_model, device="cpu", runtime="torch")
    found = measure_saliency([(model, cells)], steps=4, draws=2, replicates=50)
    assert [each.name for each in found.maps] == ["attention", "grad_cam", "centre", "random"]
    assert {len(each.deletion_curve) for each in found.maps} == {5}
    # every map begins with the whole picture and ends with none of it
    assert len({round(each.deletion_curve[0], 5) for each in found.maps}) == 1
    assert len({round(each.insertion_curve[0], 5) for each in found.maps}) == 1
    assert found.cells == 8
    assert found.verdict
    assert found.note == "softmax of the class that the raw stream called, pixels painted mean, 2 random maps a cell"
    assert measure_saliency([(model, cells)], steps=4, draws=2, replicates=50) == found


def test_a_draw_and_unlabelled_and_unreadable_cells_are_taken_as_they_are(tiny_model: Path, cells: Manifest) -> None:
    table = cells.table.assign(label=None)
    Path(table["path"][0]).write_bytes(b"")
    found = measure_saliency(
        [(load(tiny_model, device="cpu", runtime="torch"), cells.with_table(table))], steps=2, draws=1, replicates=20
    )
    assert found.cells == 7
    assert found.note is not None
    assert found.note.endswith("1 of them could not be read and were left out")
    drawn = measure_saliency(
        [(load(tiny_model, device="cpu", runtime="torch"), cells.with_table(table[1:]))], cells=3, steps=2, draws=1
    )
    assert drawn.cells == 3


def test_what_cannot_be_tested_is_refused(
    tiny_model: Path, plain_model: Path, by_colour: Runtime, cells: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(LymphoscopeError, match="has a linear head"):
        measure_saliency([(load(plain_model, device="cpu", runtime="torch"), cells)])
    with pytest.raises(LymphoscopeError, match="torch runtime"):
        measure_saliency([(Model(by_colour), cells)])
    with pytest.raises(LymphoscopeError, match="0 steps"):
        measure_saliency([(load(tiny_model, device="cpu", runtime="torch"), cells)], steps=0)
    nowhere = cells.with_table(cells.table.assign(path=str(tmp_path / "nowhere.png")))
    with pytest.raises(LymphoscopeError, match="none of 8 cells can be read"):
        measure_saliency([(load(tiny_model, device="cpu", runtime="torch"), nowhere)])
