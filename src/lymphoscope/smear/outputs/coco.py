"""Cells as COCO annotations: boxes and outlines per field, with the predicted class as category."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.files import replace_file
from lymphoscope.smear.records import FieldRecord
from lymphoscope.vocabulary import score_column


class CocoWriter:
    """Writes `images` and `categories` first, then the annotations cell by cell."""

    def __init__(
        self, path: Path, fields: Sequence[FieldRecord], classes: Sequence[str], titles: Mapping[str, str]
    ) -> None:
        self._path, self._beside = path, path.with_name(f".{path.name}.partial")
        self._classes = tuple(classes)
        self._image = {one.field: number for number, one in enumerate(fields, start=1)}
        images = [
            {"id": self._image[one.field], "file_name": one.path, "width": one.width, "height": one.height}
            for one in fields
        ]
        categories = [
            {"id": number, "name": name, "supercategory": titles.get(name, name)}
            for number, name in enumerate(classes, start=1)
        ]
        head = json.dumps({"images": images, "categories": categories}, ensure_ascii=False)
        self._stream = self._beside.open("w", encoding="utf-8")
        self._stream.write(head[:-1] + ',"annotations":[')
        self._count = 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a cell; one that could not be classified has no category and is left out."""
        predicted = row.get("predicted")
        if predicted is None:
            return
        self._count += 1
        annotation = {
            "id": self._count,
            "image_id": self._image[row["field"]],
            "category_id": self._classes.index(predicted) + 1,
            "bbox": [row["x"], row["y"], row["width"], row["height"]],
            "segmentation": [[value for point in row["outline"] for value in point]],
            "area": round(polygon_area(row["outline"]), 1),
            "iscrowd": 0,
            "score": row.get(score_column(predicted)),
            "cell_id": row["cell_id"],
        }
        self._stream.write(("\n" if self._count == 1 else ",\n") + json.dumps(annotation))

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._stream.write("\n]}\n")
        self._stream.close()
        replace_file(self._beside, self._path)


def polygon_area(outline: Sequence[Sequence[float]]) -> float:
    """Return the area of a polygon of x, y points (the shoelace formula)."""
    shifted = [*outline[1:], *outline[:1]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(outline, shifted, strict=True))) / 2
