"""Images with boxes around their cells, from a table, Pascal VOC, COCO or YOLO files."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET  # local files of the user; entities are refused below

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError

WHITE_CELLS = ("wbc", "white", "leukocyte", "leucocyte")
"""Beginnings of class names that mean a white cell, if the user names no classes."""
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class BoxedImage:
    """An image file, the boxes (N, 4) x0, y0, x1, y1 in pixels of the cells to find, and the source it belongs to."""

    path: Path
    boxes: NDArray[np.float32]
    source: str = "all"


Box = tuple[str, str, float, float, float, float, str]
"""Image, class, x0, y0, x1, y1, source."""


def read_boxes(path: Path, classes: Iterable[str] | None = None) -> list[BoxedImage]:
    """Read a CSV or Parquet table (image, class, xmin, ymin, xmax, ymax), COCO JSON, or a folder of VOC or YOLO files.

    Boxes of other classes are left out, and boxes without area too; an image without white cells stays, as an image
    without any. Raises LymphoscopeError if nothing can be read or no box remains.
    """
    read, where = _reader(path)
    images, found = read(path)
    wanted = tuple(name.casefold() for name in classes) if classes is not None else WHITE_CELLS
    boxes: dict[str, list[tuple[float, ...]]] = {image: [] for image in images}
    source_of: dict[str, str] = {}
    for image, name, x0, y0, x1, y1, source in found:
        boxes.setdefault(image, [])
        source_of[image] = source
        if name.casefold().startswith(wanted) and x1 > x0 and y1 > y0:
            boxes[image].append((x0, y0, x1, y1))
    if not any(boxes.values()):
        available = ", ".join(sorted({name for _, name, *_ in found})[:8]) or "none"
        raise LymphoscopeError(f"{path}: no boxes of white cells; classes found: {available}. Name yours with --class")
    return [
        BoxedImage(
            _image_file(where, image, path), np.array(rows, np.float32).reshape(-1, 4), source_of.get(image, "all")
        )
        for image, rows in boxes.items()
    ]


Reader = Callable[[Path], tuple[list[str], list[Box]]]


def _reader(path: Path) -> tuple[Reader, Path]:
    if path.is_dir():
        if next(path.rglob("*.xml"), None):
            return _read_voc, path
        if next((file for file in path.rglob("*.txt") if file.stem != "classes"), None):
            return _read_yolo, path
        raise LymphoscopeError(f"{path}: neither Pascal VOC files (.xml) nor YOLO files (.txt) in this folder")
    if path.suffix == ".json" and path.is_file():
        return _read_coco, path.parent
    if path.suffix in (".csv", ".parquet") and path.is_file():
        return _read_table, path.parent
    raise LymphoscopeError(f"{path}: give a boxes.csv, a COCO .json, or a folder of Pascal VOC or YOLO files")


def _read_table(path: Path) -> tuple[list[str], list[Box]]:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    columns = ["image", "class", "xmin", "ymin", "xmax", "ymax"]
    missing = [name for name in columns if name not in table]
    if missing:
        raise LymphoscopeError(f"{path}: no column {missing[0]}; needed are {', '.join(columns)}")
    sources = table["source"].astype(str) if "source" in table else pd.Series("all", index=table.index)
    sides = (table[column].astype(float) for column in columns[2:])
    return [], list(zip(table["image"].astype(str), table["class"].astype(str), *sides, sources, strict=True))


def _read_coco(path: Path) -> tuple[list[str], list[Box]]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        names = {category["id"]: str(category["name"]) for category in stored["categories"]}
        files = {image["id"]: str(image["file_name"]) for image in stored["images"]}
        boxes: list[Box] = [
            (files[item["image_id"]], names[item["category_id"]], *_corners(item["bbox"]), "all")
            for item in stored["annotations"]
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise LymphoscopeError(f"{path}: not a COCO file with images, categories and annotations ({error})") from error
    return list(files.values()), boxes


def _corners(box: Iterable[float]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) for value in box)
    return x, y, x + width, y + height


def _read_voc(path: Path) -> tuple[list[str], list[Box]]:
    images: list[str] = []
    boxes: list[Box] = []
    for file in sorted(path.rglob("*.xml")):
        text = file.read_text(encoding="utf-8")
        if "<!ENTITY" in text:
            raise LymphoscopeError(f"{file}: XML entities are refused")
        try:
            tree = ET.fromstring(text)  # noqa: S314  without entities
            image = tree.findtext("filename") or f"{file.stem}.jpg"
            for item in tree.iter("object"):
                x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{side}") or "") for side in _SIDES)
                boxes.append((image, item.findtext("name") or "", x0, y0, x1, y1, "all"))
        except (ET.ParseError, ValueError) as error:
            raise LymphoscopeError(f"{file}: not a Pascal VOC file ({error})") from error
        images.append(image)
    return images, boxes


def _read_yolo(path: Path) -> tuple[list[str], list[Box]]:
    listed = next(iter(sorted(path.rglob("classes.txt"))), None)
    names = listed.read_text(encoding="utf-8").split("\n") if listed else []
    images: list[str] = []
    boxes: list[Box] = []
    for file in sorted(path.rglob("*.txt")):
        if file == listed:
            continue
        image = _image_file(path, file.stem, file)
        with Image.open(image) as opened:
            width, height = opened.size
        images.append(str(image))
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                number, x, y, wide, high = (float(value) for value in line.split()[:5])
            except ValueError as error:
                raise LymphoscopeError(f"{file}: not a line of class, x, y, width and height: {line}") from error
            name = names[int(number)].strip() if int(number) < len(names) else str(int(number))
            corners = ((x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height)
            boxes.append((str(image), name, *corners, "all"))
    return images, boxes


def _image_file(folder: Path, name: str, named_in: Path) -> Path:
    """Find an image under a folder, in its subfolder `images`, or anywhere below it, with or without its ending."""
    for file in (Path(name), folder / name, folder / "images" / name):
        if file.is_file():
            return file
    for file in folder.rglob(f"{Path(name).stem}.*"):
        if file.suffix.lower() in _IMAGES:
            return file
    raise LymphoscopeError(f"{named_in}: the image {name} is not under {folder}")
