import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear import load_detector
from lymphoscope.synthetic import SmearSettings
from lymphoscope.synthetic.smear_fields import draw_smear_field

center_file = pytest.importorskip("lymphoscope.smear.detection.center_file")


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """A table of the boxes of one synthetic field."""
    settings = SmearSettings(width=500, height=400, white_cells=3, touching_pairs=0, cut_cells=0)
    field = draw_smear_field(settings)
    Image.fromarray(field.pixels).save(tmp_path / "a.png")
    rows = [f"a.png,WBC,{cell.x},{cell.y},{cell.x + cell.width},{cell.y + cell.height}" for cell in field.cells]
    file = tmp_path / "boxes.csv"
    file.write_text("\n".join(["image,class,xmin,ymin,xmax,ymax", *rows]))
    return file


@pytest.mark.slow
def test_a_detector_is_trained_read_and_continued_without_its_training_files(boxes: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    center_file.train_detector(boxes, first, steps=2, microns_per_pixel=0.14)
    described = json.loads((first / "detector.json").read_text())
    assert described["trained_on"] == {"all": 1}
    detector = load_detector(str(first))
    assert detector.name == "first"
    assert len(detector.detect(np.full((64, 64, 3), 240, np.uint8), 0.25)) == 0
    center_file.train_detector(boxes, second, steps=1, start=first, microns_per_pixel=0.14)
    assert (second / "detector.onnx").exists()


@pytest.mark.slow
def test_onnx_runtime_gives_the_maps_of_torch(tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from lymphoscope.smear.detection.center_network import SIZE_UNIT, CenterNetwork, export_network

    network = CenterNetwork(pretrained=False).eval()
    export_network(network, tmp_path / "n.onnx")
    light = torch.rand(1, 3, 48, 80)
    with torch.no_grad():
        heat, size = network(light)
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"), providers=["CPUExecutionProvider"])
    own_heat, own_size, peak = session.run(None, {"light": light.numpy()})
    np.testing.assert_allclose(own_heat, heat.sigmoid().numpy(), atol=1e-4)
    np.testing.assert_allclose(own_size, size.exp().numpy() * SIZE_UNIT, rtol=1e-3)
    assert (peak >= own_heat).all()


def test_images_are_chosen_evenly_per_source_and_those_without_cells_are_one_more(tmp_path: Path) -> None:
    from lymphoscope.smear.detection.box_files import BoxedImage
    from lymphoscope.smear.detection.training_fields import choose_images, images_without_cells

    with pytest.raises(LymphoscopeError, match="no images"):
        images_without_cells(tmp_path)
    for number in range(5):
        Image.new("RGB", (20, 20)).save(tmp_path / f"{number}.png")
    one = np.ones((1, 4), np.float32)
    images = [BoxedImage(tmp_path / f"{source}{number}", one, source) for source in "ab" for number in range(9)]
    chosen = choose_images(images, 3, images_without_cells(tmp_path))
    assert [image.path.name for image in chosen] == ["a0", "a4", "a8", "b0", "b4", "b8", "0.png", "2.png", "4.png"]
    assert sum(len(image.boxes) for image in chosen) == 6
    assert len(choose_images(images, None, [])) == 18


def test_a_source_that_is_left_out_has_no_image_in_the_training_and_must_exist() -> None:
    from lymphoscope.smear.detection.box_files import BoxedImage
    from lymphoscope.smear.detection.training_fields import without_sources

    one, table = np.ones((1, 4), np.float32), Path("boxes.csv")
    images = [BoxedImage(Path(source), one, source) for source in "abab"]
    assert [image.source for image in without_sources(images, ["a"], table)] == ["b", "b"]
    assert without_sources(images, [], table) == images
    with pytest.raises(LymphoscopeError, match="no source c to leave out; its sources: a, b"):
        without_sources(images, ["c"], table)
    with pytest.raises(LymphoscopeError, match="every source is left out"):
        without_sources(images, ["a", "b"], table)


def test_a_folder_that_is_not_empty_is_not_written_to(boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="not empty"):
        center_file.train_detector(boxes, tmp_path)


def test_a_detector_without_weights_cannot_be_continued(boxes: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LymphoscopeError, match=r"no detector\.safetensors"):
        center_file.train_detector(boxes, tmp_path / "new", start=tmp_path / "empty", microns_per_pixel=0.14)


@pytest.mark.parametrize("scales", [(1.3, 0.6), (0.0, 1.0), (-1.0, 1.0)])
def test_a_range_of_scales_that_is_none_is_refused(boxes: Path, tmp_path: Path, scales: tuple[float, float]) -> None:
    with pytest.raises(LymphoscopeError, match=r"--scale .*: give the lower factor first, and both above 0"):
        center_file.train_detector(boxes, tmp_path / "new", scales=scales)
