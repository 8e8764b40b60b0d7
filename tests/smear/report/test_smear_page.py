"""The page of a smear: what it says, that no name becomes markup, and that it loads nothing from elsewhere."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lymphoscope.smear import SmearResult
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
