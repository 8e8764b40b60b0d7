import base64
import dataclasses
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lymphoscope.data import SplitSummary
from lymphoscope.evaluation import METRICS, as_predictions
from lymphoscope.reports import ReportContents, render_report, write_report
from lymphoscope.reports.formatting import interval, number

Maker = Callable[..., Any]
EVIL = "<script>alert('x')</script>&\"$\\frac{1}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser shows: matching tags, what is loaded, and the text with single spaces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag in ("td", "th", "span"):
            self.text += " "
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def failed_row() -> dict[str, Any]:
    return {"path": "/cells/broken.png", "error": "not an image", "refer": True, "refer_reason": "unreadable"}


def variants(predictions: Maker, contents: Maker) -> dict[str, Callable[[], ReportContents]]:
    table = predictions()
    plain = contents(table)
    data = plain.data
    right = table[table["label"] == table["predicted"]]
    failed = as_predictions([*table.to_dict("records"), failed_row()], ["all", "hem"])
    unsplit = SplitSummary(
        by="none", kind="none", train_subjects=[], validation_subjects=[], test_subjects=[], cells={}
    )
    folds = data.split.model_copy(update={"kind": "folds"})
    eight = tuple("abcdefgh")
    return {
        "plain": lambda: plain,
        "no labels": lambda: contents(
            table.assign(label=None), data=data.model_copy(update={"split": unsplit, "classes": {}})
        ),
        "no subjects": lambda: contents(table.assign(subject=None)),
        "one class": lambda: contents(table[table["label"] == "hem"]),
        "one subject": lambda: contents(table[table["subject"] == "S1"]),
        "eight classes": lambda: contents(predictions(eight, subjects=16), None),
        "a blast among eight": lambda: contents(predictions(eight, subjects=16), "c"),
        "no mistakes": lambda: contents(right),
        "no pictures": lambda: dataclasses.replace(plain, mistakes=[]),
        "failed rows": lambda: contents(failed),
        "baseline": lambda: contents(table.assign(crop_vote=None, erase_vote=None)),
        "bare": lambda: dataclasses.replace(plain, description=None, curves=None, commit=None, parameters=None),
        "folds": lambda: dataclasses.replace(plain, data=data.model_copy(update={"split": folds})),
        "only failures": lambda: contents(as_predictions([failed_row()], ["all", "hem"])),
    }


NAMES = (
    "plain",
    "no labels",
    "no subjects",
    "one class",
    "one subject",
    "eight classes",
    "a blast among eight",
    "no mistakes",
    "no pictures",
    "failed rows",
    "baseline",
    "bare",
    "folds",
    "only failures",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_result_gives_a_complete_page_that_loads_nothing(
    predictions: Maker, contents: Maker, name: str
) -> None:
    shown = variants(predictions, contents)[name]()
    page = Page(render_report(shown))
    assert page.tags["link"] == page.tags["iframe"] == 0
    assert page.tags["script"] == 1  # which sorts tables, and is allowed by its hash alone
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    assert page.tags["img"] == sum(bool(alt) for alt in page.values("alt"))
    assert "not a medical device" in page.text
    assert page.text.count("None") <= page.text.count("None: no cell") + page.text.count("None of the cells")
    assert "nan" not in page.text.split()
    headings = set(page.values("id"))
    assert {value.removeprefix("#") for value in page.values("href")} <= headings


@pytest.mark.slow
def test_styles_load_nothing_and_the_security_policy_forbids_it(predictions: Maker, contents: Maker) -> None:
    html = render_report(contents(predictions()))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html


def test_page_shows_the_numbers_of_the_metrics(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    text = Page(render_report(shown)).text
    for scores in (shown.metrics.vote, *shown.metrics.streams.values()):
        estimates = [scores[name] for name in METRICS]
        numbers = " ".join(f"{number(each.value)} {interval(each)}" for each in estimates)
        assert " ".join(numbers.split()) in text
    for label, baseline in shown.metrics.constant_baselines.items():
        values = " ".join(number(baseline[name].value) for name in METRICS)
        assert f"Always {shown.class_name(label)} {values}" in text
    for row in shown.metrics.per_subject:
        assert (
            f"{row.subject} {shown.class_title(row.label)} {row.cells} {row.correct} {row.accuracy.value:.3f}" in text
        )
    (a, b), (c, d) = shown.metrics.confusion.matrix
    assert f"all (lymphoblast) {a} {b} hem (normal) {c} {d}" in text
    assert f"classified {a + d} of 48 labelled cells of 8 subjects" in text


@pytest.mark.slow
def test_page_names_held_out_subjects_the_split_and_its_provenance(predictions: Maker, contents: Maker) -> None:
    text = Page(render_report(contents(predictions()))).text
    assert "S0, S1, S2, S3, S4, S5, S6, S7" in text
    assert "Test (held out)" in text
    assert "no subject has cells in two parts" in text
    for phrase in ("lymphoscope train --data cells", "0123456789ab", "two cores", "2026-11-23", "1,234,567", "tiny"):
        assert phrase in text
    assert "Knows only generated cells." in text
    assert "30 bootstrap replicates over subjects (8 subjects resampled" in text


@pytest.mark.slow
def test_synthetic_data_random_split_and_leakage_are_at_the_top(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    assert "Synthetic data" not in render_report(plain)
    assert "Random split" not in render_report(plain)
    split = plain.data.split.model_copy(update={"by": "random"})
    data = plain.data.model_copy(
        update={"synthetic": True, "source": "synthetic", "split": split, "notices": ["LEAKAGE: seen before"]}
    )
    text = Page(render_report(dataclasses.replace(plain, data=data))).text
    face = text[: text.index("The model classified")]
    for phrase in ("Synthetic data", "Random split", "Leakage", "on synthetic cells"):
        assert phrase in face
    assert "Test (held out)" not in text


@pytest.mark.slow
def test_text_from_data_is_escaped(predictions: Maker, contents: Maker) -> None:
    table = predictions((f"<b>{EVIL}", "hem"), subject=EVIL + "\u7d30\u80de").assign(path=EVIL)
    table["error"] = [EVIL, *[None] * (len(table) - 1)]
    shown = contents(table, f"<b>{EVIL}", title=EVIL, command=EVIL, device=EVIL)
    shown = dataclasses.replace(shown, data=shown.data.model_copy(update={"notices": [EVIL], "source": EVIL}))
    page = Page(render_report(shown))
    assert page.tags["script"] == 1
    assert page.text.count(EVIL) > 20
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


@pytest.mark.slow
def test_mistakes_show_the_image_and_prediction_of_each_stream(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    page = Page(render_report(shown))
    assert len(shown.mistakes) == 3
    for mistake in shown.mistakes:
        name = Path(mistake.cell.path).name
        label, predicted = shown.class_name(mistake.cell.label), shown.class_name(mistake.cell.predicted)
        assert f"Labelled {label}, predicted {predicted} (score {mistake.cell.score:.2f})" in page.text
        assert {f"{name}, {what}" for what in ("the cell", "attention", "crop", "erased")} <= set(page.values("alt"))
        for stream in ("raw", "crop", "erase"):
            by_class = mistake.cell.streams[stream]
            predicted = shown.class_title(max(by_class, key=by_class.get))
            assert f"{predicted} {max(by_class.values()):.2f}" in page.text


@pytest.mark.slow
def test_mistakes_without_images_are_listed_by_score(predictions: Maker, contents: Maker) -> None:
    table = predictions()
    shown = dataclasses.replace(contents(table), mistakes=[])
    page = Page(render_report(shown))
    wrong = table[table["label"] != table["predicted"]]
    scores = wrong.apply(lambda row: row[f"score_{row['predicted']}"], axis=1)
    by_score = wrong.loc[scores.sort_values(ascending=False).index, "path"].tolist()
    assert [title for title in page.values("title") if title.startswith("/cells/")] == by_score
    assert re.findall(r"\b\d+\.png", page.text) == [Path(path).name for path in by_score]


@pytest.mark.slow
def test_at_most_fifty_failed_cells_are_listed(predictions: Maker, contents: Maker) -> None:
    failed = [{**failed_row(), "path": f"/cells/broken_{index}.png"} for index in range(70)]
    table = as_predictions([*predictions().to_dict("records"), *failed], ["all", "hem"])
    text = Page(render_report(contents(table))).text
    assert text.count("/cells/broken_") == 50
    assert "The first 50 of 70" in text
    assert "unreadable The file could not be read; the column `error` says why. 70" in text


@pytest.mark.slow
def test_page_is_small_and_every_image_is_valid(predictions: Maker, contents: Maker, tmp_path: Path) -> None:
    shown = contents(predictions(subjects=60, cells=20))
    write_report(tmp_path / "report.html", dataclasses.replace(shown, mistakes=list(shown.mistakes) * 4))
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    for source in Page((tmp_path / "report.html").read_text(encoding="utf-8")).values("src"):
        kind, _, content = source.partition(";base64,")
        starts = {"data:image/jpeg": b"\xff\xd8\xff", "data:image/svg+xml": b"<?xml"}[kind]
        assert base64.b64decode(content, validate=True).startswith(starts)


@pytest.mark.slow
def test_page_is_deterministic(predictions: Maker, contents: Maker) -> None:
    assert render_report(contents(predictions())) == render_report(contents(predictions()))


@pytest.mark.slow
def test_perfect_score_comes_with_a_caveat(predictions: Maker, contents: Maker) -> None:
    table: pd.DataFrame = predictions()
    right = table[table["label"] == table["predicted"]]
    assert "a bootstrap cannot show errors that did not occur" in render_report(contents(right))
