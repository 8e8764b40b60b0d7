import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.detection.box_files import BoxedImage, read_boxes

VOC = """<annotation><filename>a.png</filename>
<object><name>WBC</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>60</ymax></bndbox></object>
<object><name>RBC</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object>
</annotation>"""
COCO = {
    "images": [{"id": 7, "file_name": "a.png"}],
    "categories": [{"id": 1, "name": "WBC"}, {"id": 2, "name": "RBC"}],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [10, 20, 40, 40]},
        {"image_id": 7, "category_id": 2, "bbox": [1, 2, 4, 4]},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "a.png")
    return tmp_path


def write_table(folder: Path) -> Path:
    file = folder / "boxes.csv"
    file.write_text("image,class,xmin,ymin,xmax,ymax\na.png,WBC:lymphocyte,10,20,50,60\na.png,RBC,1,2,5,6\n")
    return file


def write_voc(folder: Path) -> Path:
    (folder / "a.xml").write_text(VOC)
    return folder


def write_coco(folder: Path) -> Path:
    file = folder / "boxes.json"
    file.write_text(json.dumps(COCO))
    return file


def write_yolo(folder: Path) -> Path:
    (folder / "classes.txt").write_text("RBC\nWBC\n")
    (folder / "a.txt").write_text("1 0.3 0.5 0.4 0.5\n0 0.03 0.05 0.04 0.05\n")
    return folder


@pytest.mark.parametrize("write", [write_table, write_voc, write_coco, write_yolo])
def test_every_format_gives_the_same_white_cells(folder: Path, write: object) -> None:
    assert callable(write)
    (image,) = read_boxes(write(folder))
    assert image.path == folder / "images" / "a.png"
    assert image.boxes.tolist() == [[10, 20, 50, 60]]


def test_named_classes_replace_the_known_names(folder: Path) -> None:
    (image,) = read_boxes(write_table(folder), ["rbc"])
    assert image.boxes.tolist() == [[1, 2, 5, 6]]


def test_boxes_without_area_are_left_out(folder: Path) -> None:
    file = write_table(folder)
    file.write_text(file.read_text() + "a.png,WBC,5,5,5,9\n")
    (image,) = read_boxes(file)
    assert len(image.boxes) == 1


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: folder, "neither Pascal VOC"),
        (lambda folder: folder / "missing.json", "give a boxes.csv"),
        (lambda folder: _write(folder / "b.csv", "image,class\n"), "no column xmin"),
        (lambda folder: _write(folder / "b.json", "{}"), "not a COCO file"),
        (lambda folder: _write(folder / "b.csv", "image,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,3,4\n"), "found: cat"),
        (lambda folder: _write(folder / "b.csv", "image,class,xmin,ymin,xmax,ymax\nz.png,WBC,1,2,3,4\n"), "z.png"),
        (lambda folder: _write(folder / "z.xml", "<annotation>").parent, "not a Pascal VOC file"),
    ],
)
def test_what_cannot_be_read_is_named(folder: Path, write: object, message: str) -> None:
    assert callable(write)
    with pytest.raises(LymphoscopeError, match=message):
        read_boxes(write(folder))


def _write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_an_image_without_white_cells_stays(folder: Path) -> None:
    Image.new("RGB", (20, 20)).save(folder / "images" / "b.png")
    file = write_table(folder)
    file.write_text(file.read_text() + "b.png,RBC,1,2,5,6\n")
    images: list[BoxedImage] = read_boxes(file)
    assert [len(image.boxes) for image in images] == [1, 0]
    assert images[1].boxes.dtype == np.float32
