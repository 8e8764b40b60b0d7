from collections.abc import Callable
from typing import Any

from lymphoscope.reports.sections import blast_share

Maker = Callable[..., Any]


def test_every_subject_has_a_dot_at_its_share(predictions: Maker, contents: Maker) -> None:
    level = contents(predictions()).metrics.subject_level
    assert level is not None
    axes = blast_share.blast_share_figure(level, "all", "lymphoblast").axes[0]
    dots = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
    assert dots == sorted((row.share.value for row in level.subjects), reverse=True)
    names = {text.get_text() for text in axes.get_yticklabels()}
    assert names == {row.subject for row in level.subjects}


def test_without_subjects_or_blast_class_the_section_says_so(predictions: Maker, contents: Maker) -> None:
    nobody = blast_share.build(contents(predictions().assign(subject=None)))
    assert nobody.values["level"] is None
    assert nobody.values["blast"] == "lymphoblast"
    assert blast_share.build(contents(predictions(("a", "b")), None)).values["blast"] == ""


def test_subjects_are_in_natural_order(predictions: Maker, contents: Maker) -> None:
    section = blast_share.build(contents(predictions(subjects=12)))
    assert [row.subject for row in section.values["subjects"]] == [f"S{number}" for number in range(12)]
