"""The card says the limits first, and every number with its interval."""

from pathlib import Path

from lymphoscope.model_file import Architecture, Description, Preprocessing
from lymphoscope.model_file.card import write_card

DESCRIPTION = Description(
    name="small",
    architecture=Architecture(backbone="test_resnet"),
    classes=("all", "hem"),
    blast_class="all",
    preprocessing=Preprocessing(crop_mode="center_crop", size=144, mean=(0.5,) * 3, std=(0.2,) * 3),
)
SCORES = {
    "how": "in 5 folds by subject",
    "cells": 346,
    "subjects": 34,
    "bootstrap": {"unit": "subject", "replicates": 1000},
    "weighted_f1": {"value": 0.8, "low": 0.7, "high": 0.9},
    "auc": {"value": None, "low": None, "high": None},
}


def card(folder: Path, **changes: object) -> str:
    write_card(DESCRIPTION.model_copy(update=changes), folder)
    return (folder / "README.md").read_text()


def test_limits_are_the_first_line(tmp_path: Path) -> None:
    first = card(tmp_path, limits="It knows one source.").splitlines()[0]
    assert first == "**Limits.** It knows one source. Research software, not a medical device."
    assert card(tmp_path).startswith("**Limits.** Its limits are not documented")


def test_scores_have_intervals_and_counts(tmp_path: Path) -> None:
    text = card(tmp_path, scores=SCORES)
    assert "| Weighted F1 | 0.800 | 0.700 to 0.900 |" in text
    assert "| AUC | none | none |" in text
    assert "in 5 folds by subject: 346 cells of 34 subjects" in text
    assert "Not measured" in card(tmp_path)


def test_attribution_recipe_and_subjects_are_listed(tmp_path: Path) -> None:
    text = card(
        tmp_path,
        attribution="Cells of somebody (2019), CC BY 3.0.",
        recipe={"name": "demonstration", "seed": 7, "model": {"initial_weights": "runs/first/model"}},
        trained_on={
            "source": "cnmc",
            "cells": {"train": 10, "test": 0},
            "subjects": {"train": ["1", "H2"], "test": []},
        },
    )
    assert "- attribution: Cells of somebody (2019), CC BY 3.0." in text
    assert "- recipe: demonstration, seed 7" in text
    assert "- initial weights: runs/first/model" in text
    assert "- train: 1, H2" in text
    assert "test" not in text.partition("## Subjects")[2]


def test_html_is_escaped_and_a_line_stays_a_line(tmp_path: Path) -> None:
    text = card(tmp_path, limits="<script>alert(1)</script>\n# Not a heading", attribution="A & B <img src=x>")
    assert "<" not in text
    assert text.splitlines()[0].startswith("**Limits.** &lt;script&gt;alert(1)&lt;/script&gt; # Not a heading")
    assert "- attribution: A &amp; B &lt;img src=x&gt;" in text


def test_classes_are_named_in_words_and_subject_ids_are_optional(tmp_path: Path) -> None:
    text = card(tmp_path)
    assert "- classes: all (lymphoblast), hem (normal); blast class: all" in text
    assert text.partition("## Subjects")[2].strip().startswith("Their ids are not recorded.")
    assert f"- model id: {DESCRIPTION.model_id}" in text
