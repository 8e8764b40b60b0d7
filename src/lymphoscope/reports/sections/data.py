"""The data, how they were split, and the leaks found between training and evaluation."""

from dataclasses import dataclass
from typing import Final, Literal

from lymphoscope.data import SplitSummary
from lymphoscope.evaluation import Leakage
from lymphoscope.reports.banners import is_loud
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import joined, natural_sort, sentence
from lymphoscope.reports.registry import Section, SectionDefinition

_MOST_LEAKS = 20
_WITHOUT_LEAKS = ("weighted_f1", "balanced_accuracy", "auc")
_PARTS: Final[dict[Literal["train", "validation", "test"], str]] = {
    "train": "Training",
    "validation": "Validation",
    "test": "Test",
}


@dataclass(frozen=True)
class Part:
    """A part of the split and its subjects."""

    name: str
    is_test: bool
    cells: int
    subjects: list[str]


def build(contents: ReportContents) -> Section:
    """Describe the data, the split and the leaks."""
    data, metrics = contents.data, contents.metrics
    leakage = metrics.leakage
    compared = None
    if leakage is not None and leakage.scores_without_leaks is not None:
        rows = [("all", metrics.vote), ("without leaking cells", leakage.scores_without_leaks)]
        compared = [(name, [scores[each] for each in _WITHOUT_LEAKS]) for name, scores in rows]
    return Section(
        heading="Data and split",
        template=_TEMPLATE,
        values={
            "data": data,
            "split": split_sentence(data.split),
            "parts": split_parts(data.split, metrics.cells),
            "notices": [notice for notice in data.notices if not is_loud(notice)],
            "leakage": leakage,
            "class_counts": [(contents.class_name(name), count) for name, count in data.classes.items()],
            "leak_sentence": "Not checked." if leakage is None else _leak_sentence(leakage),
            "leaks": [] if leakage is None else leakage.leaks[:_MOST_LEAKS],
            "compared": compared,
        },
    )


def split_sentence(split: SplitSummary) -> str:
    """How the cells were split, and what that means for the scores."""
    how = {
        "subject": "by subject: no subject has cells in two parts, so the model never saw the test subjects",
        "random": "at random, cell by cell: a subject\u2019s cells may be in two parts, and scores may be too high",
        "none": "",
    }[split.by]
    if split.kind == "none" or not how:
        return "These cells were not split: all labelled cells were evaluated."
    if split.kind == "folds":
        return f"The cells were split into folds {how}. Each cell was tested once, by a model trained on the others."
    return f"The cells were split once {how}."


def split_parts(split: SplitSummary, evaluated: int) -> list[Part]:
    """One entry per part of the split; none if there is no split.

    In a cross-validation every subject is held out once, so there is one entry, of the `evaluated` cells.
    """
    subjects = {
        "train": split.train_subjects,
        "validation": split.validation_subjects,
        "test": split.test_subjects,
    }
    if split.kind == "folds":
        everyone = {subject for names in subjects.values() for subject in names}
        return [Part("Test, in turn", True, evaluated, natural_sort(everyone))]
    return [
        Part(name, key == "test", split.cells[key], natural_sort(subjects[key]))
        for key, name in _PARTS.items()
        if split.cells.get(key)
    ]


def _leak_sentence(leakage: Leakage) -> str:
    reason = f" {sentence(leakage.reason)}" if leakage.reason else ""
    if not leakage.checked:
        return f"Not checked.{reason}"
    count = leakage.leaking_cells
    outcome = f" {count:,} of these cells leak." if count else " No leak was found."
    allowed = " The evaluation continued despite leaks (--allow-leak)." if leakage.allowed else ""
    return f"Checked between training and these cells: {joined(leakage.checked)}.{outcome}{allowed}{reason}"


_TEMPLATE = """
<p>{{ plural(data.cells, "cell") }}
{%- if data.subjects %} of {{ plural(data.subjects, "subject") }}{% else %}, subjects not known{% endif %},
source: {{ data.source }}{% if data.synthetic %} &ndash; every cell is synthetic{% endif %}. {{ split }}
{% if parts %}The table names the subjects of each part
{%- if data.split.by == "subject" %}; those of the test part were held out{% endif %}.{% endif %}</p>
{% for notice in notices %}
<p class="note">Note: {{ notice }}</p>
{% endfor %}
<h3>Leaks between training and these cells</h3>
<p>{{ leak_sentence }}</p>
{% if leakage %}
{% if leaks %}
<div class="wide" role="region" aria-label="Leaking cells" tabindex="0">
<table>
{% if leakage.leaks|length > leaks|length %}
<caption>The first {{ leaks|length }} of {{ leakage.leaks|length }}; metrics.json holds all of them.</caption>
{% endif %}
<thead><tr><th scope="col">Kind</th><th scope="col">Cell</th><th scope="col">Training cell</th>
<th scope="col">Details</th></tr></thead>
<tbody>
{% for leak in leaks %}
<tr><td>{{ leak.kind }}</td><td class="free"><code>{{ leak.path }}</code></td>
<td class="free"><code>{{ leak.other }}</code></td><td>{{ leak.detail }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% if compared %}
{% call region("Scores with and without leaking cells") %}
<table class="small">
<caption>The same scores with and without the leaking cells.</caption>
<thead><tr><th scope="col">Cells</th><th scope="col" class="n">Weighted F1</th>
<th scope="col" class="n">Balanced accuracy</th><th scope="col" class="n">AUC</th></tr></thead>
<tbody>
{% for name, estimates in compared %}
<tr><th scope="row">{{ name }}</th>
{% for estimate in estimates %}<td class="n">{{ measured(estimate) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
{% endif %}
{% endif %}
{% endif %}
{% if class_counts %}
<table class="small">
<caption>Number of cells with each label.</caption>
<thead><tr><th scope="col">Label</th><th scope="col" class="n">Cells</th></tr></thead>
<tbody>
{% for label, count in class_counts %}
<tr><th scope="row">{{ label }}</th><td class="n">{{ "{:,}".format(count) }}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p>None of the cells has a label.</p>
{% endif %}
{% if parts %}
<table class="stack">
<caption>The parts of the split, with the ids of all subjects.</caption>
<thead><tr><th scope="col">Part</th><th scope="col" class="n">Cells</th><th scope="col" class="n">Subjects</th>
<th scope="col">Ids</th></tr></thead>
<tbody>
{% for part in parts %}
<tr{% if part.is_test %} class="answer"{% endif %}>
<th scope="row">{{ part.name }}{% if part.is_test and data.split.by == "subject" %} (held out){% endif %}</th>
<td class="n" data-name="Cells">{{ "{:,}".format(part.cells) }}</td>
<td class="n" data-name="Subjects">{{ "{:,}".format(part.subjects|length) }}</td>
<td class="free">{{ part.subjects|join(", ") or "not known" }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endif %}
"""

SECTION = SectionDefinition(title="Data and split", anchor="data", order=110, build=build)
