"""The page `report.html` of a results folder. It shows pictures that lie beside it, and loads nothing else."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lymphoscope.files import write_text
from lymphoscope.reports import page_environment, page_script, rendered_sections, sections_of, sorting_script
from lymphoscope.smear.assemble import LightCell
from lymphoscope.smear.cell_classes import titles_of
from lymphoscope.smear.cutting import SPRITE_SIDE
from lymphoscope.smear.differential import NOT_CLASSED, UNIDENTIFIED, counted_as
from lymphoscope.smear.outputs import sprite_place
from lymphoscope.smear.report import sections
from lymphoscope.smear.report.smear_contents import SmearContents

_PACKAGE = "lymphoscope.smear.report"


def write_smear_report(path: Path, contents: SmearContents) -> None:
    """Write the page atomically."""
    write_text(path, render_smear_report(contents))


def render_smear_report(contents: SmearContents) -> str:
    """Return the page as text; all text that comes from data is escaped."""
    environment = page_environment(_PACKAGE, "lymphoscope.reports")
    return environment.get_template("smear.html.j2").render(
        title=contents.title,
        synthetic=contents.record.synthetic,
        banners=list(_banners(contents)),
        sections=rendered_sections(environment, sections_of(sections), contents),
        script=sorting_script(),
        gallery=page_script(_PACKAGE, "gallery.js"),
        data=_embedded(gallery_data(contents)),
    )


def gallery_data(contents: SmearContents) -> dict[str, Any]:
    """Return what the gallery shows, as columns to keep the page small; the most suspicious cell first."""
    record, description = contents.record, contents.description
    fields = {one.field: number for number, one in enumerate(record.fields)}
    tile_numbers = {(fields[one.field], one.tile): number for number, one in enumerate(record.tiles)}
    cells = sorted(contents.cells, key=lambda cell: (-cell.suspicion, cell.order))
    classes = list(description.classes)
    return {
        "classes": list(titles_of(description).values()),
        "blast": None if description.blast_class is None else classes.index(description.blast_class),
        "fields": [{"id": one.field, "name": Path(one.path).name} for one in record.fields],
        "tiles": [
            [fields[one.field], one.tile, one.x, one.y, one.width, one.height, one.preview, list(one.flags)]
            for one in record.tiles
        ],
        "side": SPRITE_SIDE,
        "sheets": [sprite_place(1024 * sheet)[0] for sheet in range(-(-len(cells) // 1024))],
        "cells": {
            "name": [cell.cell_id for cell in cells],
            "order": [cell.order for cell in cells],
            "sprite": [cell.sprite for cell in cells],
            "label": [_label(cell, classes) for cell in cells],
            "score": [None if cell.score is None else round(cell.score, 3) for cell in cells],
            "suspicion": [round(cell.suspicion, 3) for cell in cells],
            "status": [_status(counted_as(cell.counted)) for cell in cells],
            "why": [cell.refer_reason or "" for cell in cells],
            "marks": ["; ".join(sorted(cell.counted.marks)).replace("_", " ") for cell in cells],
            "tile": [tile_numbers[cell.field, cell.tile] for cell in cells],
            "box": [[round(value) for value in cell.box] for cell in cells],
        },
    }


def _label(cell: LightCell, classes: Sequence[str]) -> int:
    predicted = cell.counted.predicted
    return -1 if predicted is None else classes.index(predicted)


def _status(counted: str) -> int:
    """0 counted, 1 referred to a person, 2 not classed."""
    return {UNIDENTIFIED: 1, NOT_CLASSED: 2}.get(counted, 0)


def _embedded(data: dict[str, Any]) -> Markup:
    """JSON for a script element: `<` is escaped, so that no text from data can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


def _banners(contents: SmearContents) -> Iterator[dict[str, object]]:
    if contents.record.synthetic:
        text = "These fields were drawn by a program. The numbers show that the software works, and nothing else."
        yield {"title": "Synthetic fields", "text": text, "severe": False}
    for notice in contents.record.notices:
        title, colon, text = notice.partition(": ")
        if colon and title.isupper():
            yield {"title": title.capitalize(), "text": text[:1].upper() + text[1:], "severe": True}
    failed = [one for one in contents.record.fields if one.error is not None]
    if failed:
        text = (
            f"{len(failed)} of {len(contents.record.fields)} fields could not be read, or not wholly. They are listed."
        )
        yield {"title": "Incomplete", "text": text, "severe": True}
