"""The page of a smear: what it says, that no name becomes markup, and that it loads nothing from elsewhere."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lymphoscope.smear import SmearResult
from lymphoscope.smear.differential import Count as CountOfCells, CountedCell, differential_count
from lymphoscope.smear.records import FieldRecord
from lymphoscope.smear.report.sections.count import blast_text, lead
from lymphoscope.smear.report.sections.quality import scale_sentences
from lymphoscope.synthetic import TrueCell

Count = Callable[..., SmearResult]


class Page(HTMLParser):
    """The text, the ids and the addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "href") and value:
                self.addresses.append(value)


@pytest.fixture
def page(count: Count, apart: tuple[Path, list[TrueCell]]) -> tuple[SmearResult, str]:
    result = count(*sorted(apart[0].iterdir()), target=5)
    return result, (result.out / "report.html").read_text()


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_count_comes_first_then_cells_fields_quality_and_limits(page: tuple[SmearResult, str]) -> None:
    ids = [one for one in Page(page[1]).ids if one in ("count", "cells", "fields", "quality", "limits")]
    assert ids == ["count", "cells", "fields", "quality", "limits"]
    assert "not a medical device" in page[1]
    assert "5 white cells were counted, the first on the way over the slide" in page[1]
    assert "1,000" in page[1]


def test_the_intervals_of_larger_counts_name_the_share_that_they_are_of(page: tuple[SmearResult, str]) -> None:
    blasts = page[0].differential.overall.blasts
    assert blasts is not None
    share = f"{blasts.share.value:.1f}"
    assert f"The exact interval of {share} % blasts, the share as predicted, with so" in page[1]


def test_the_gallery_has_every_cell_the_most_suspicious_first(page: tuple[SmearResult, str]) -> None:
    cells = data_of(page[1])["cells"]
    assert isinstance(cells, dict)
    assert len(cells["name"]) == 10
    assert cells["suspicion"] == sorted(cells["suspicion"], reverse=True)
    assert sorted(cells["order"]) == list(range(1, 11))


def test_pictures_that_the_page_shows_lie_beside_it(page: tuple[SmearResult, str]) -> None:
    result, text = page
    data = data_of(text)
    assert isinstance(data["tiles"], list)
    assert isinstance(data["sheets"], list)
    for name in [*data["sheets"], *(tile[6] for tile in data["tiles"])]:
        assert (result.out / name).is_file()
    assert [one for one in Page(text).addresses if not one.startswith(("#", "data:"))] == []


def test_names_from_data_never_become_markup(count: Count, apart: tuple[Path, list[TrueCell]], tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>&.png"
    evil.write_bytes(next(iter(sorted(apart[0].iterdir()))).read_bytes())
    (tmp_path / "<b>broken.png").write_bytes(b"\x89PNG")
    text = (count(evil, tmp_path / "<b>broken.png").out / "report.html").read_text()
    assert "<img src=x" not in text
    assert "<b>broken" not in text
    assert "&lt;b&gt;broken.png" in text


def test_paper_says_that_the_gallery_is_not_printed(page: tuple[SmearResult, str]) -> None:
    assert '<span class="on-paper">The gallery is on the page itself and is not printed.</span>' in page[1]
    assert "@media screen { .on-paper { display: none; } }" in page[1]


def counted(referred: int, of: int, *classes: str) -> CountOfCells:
    cells = [CountedCell("lymphocyte", number < referred, frozenset(), None, None, None) for number in range(of)]
    return differential_count(cells, {name: name for name in classes}, "id", None).overall


@pytest.mark.parametrize(
    ("referred", "words"), [(3, "All of them are unidentified"), (2, "2 of them are"), (1, "1 of them is"), (0, "0 of")]
)
def test_the_first_sentence_says_how_many_cells_are_unidentified(referred: int, words: str) -> None:
    assert words in lead(counted(referred, 3, "lymphocyte"))


def test_a_count_by_a_model_without_blasts_says_that_it_cannot_count_them() -> None:
    assert "cannot count them" in (blast_text(counted(0, 3, "lymphocyte")) or "")
    assert "cannot count them" not in (blast_text(counted(0, 3, "lymphocyte", "blast")) or "")
    assert blast_text(counted(0, 0, "lymphocyte", "blast")) is None


def test_each_scale_says_of_which_slides_it_is_where_they_differ() -> None:
    base = {"path": "p", "width": 9, "height": 9, "scale_source": "file", "scale_of_red_cells": None, "subject": None}
    base |= {"flags": (), "tiles": 1, "tiles_set_aside": 0, "tiles_failed": 0, "cells": 0, "error": None}
    fields = [
        FieldRecord(field=f"F{number}", slide=slide, microns_per_pixel=scale, **base)  # type: ignore[arg-type]
        for number, (slide, scale) in enumerate([("a", 0.1), ("a", 0.1), ("b", 0.2), (None, 0.2), ("c", None)])
    ]
    assert scale_sentences(fields[:2]) == ["0.1 micrometres per pixel, as the file says."]
    assert scale_sentences(fields) == [
        "a: 0.1 micrometres per pixel, as the file says.",
        "b, F3: 0.2 micrometres per pixel, as the file says.",
    ]
