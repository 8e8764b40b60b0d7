"""The accuracy of each subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from lymphoscope.evaluation import METRICS, Estimate, Metrics
from lymphoscope.evaluation.schema import SubjectScores, SubjectSpread
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import joined, missing_reasons, with_interval
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, PALE, drawable, new_axes, styled
from lymphoscope.reports.registry import Section, SectionDefinition, page_figure
from lymphoscope.terminal import counted

_WIDTH, _HEIGHT = 5.2, 3.6
_MOST_LABELLED = 5
_FEW = 3
_MOST_LEVEL_NAMES = 4
_GOLDEN_RATIO = 0.618034
# Where a name is tried: direction from its dot, and its horizontal and vertical alignment.
_NAME_PLACES = (
    ((0, 1), "center", "bottom"),
    ((0, -1), "center", "top"),
    ((1, 0), "left", "center"),
    ((-1, 0), "right", "center"),
)


@dataclass(frozen=True)
class SubjectAverage:
    """A score averaged over subjects, with its interval, and how it differs between them (None if it is unknown)."""

    name: str
    mean: Estimate
    spread: SubjectSpread | None


@dataclass(frozen=True)
class _Dot:
    """A subject's dot in the figure; `radius` in points."""

    subject: str
    x: float
    accuracy: float
    radius: float

    def box(self, axes: Axes) -> Bbox:
        """Its box in pixels."""
        x, y = axes.transData.transform((self.x, self.accuracy))
        radius = self.radius * axes.figure.dpi / 72
        return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)


def build(contents: ReportContents) -> Section:
    """Show the accuracy of each subject, worst first."""
    metrics = contents.metrics
    overall = metrics.vote["accuracy"].value
    figure = None
    if metrics.per_subject and overall is not None:
        figure = page_figure(
            subjects_figure(metrics.per_subject, overall, contents.class_name),
            alt="One dot per subject: the fraction of its cells classified as labelled; the numbers are in the table.",
            caption=(
                "Each dot is a subject, larger with more cells; its height is the fraction of the subject\u2019s cells "
                "that the model classified as labelled. The dashed line is that fraction over all cells. The lowest "
                "are named where there is room. Cells of one subject resemble each other, so the spread of the dots "
                "says more than the number of cells."
            ),
        )
    return Section(
        heading="Subjects",
        template=_TEMPLATE,
        values={
            "subjects": figure,
            "rows": [(row, contents.class_title(row.label)) for row in metrics.per_subject],
            "blast": None if metrics.blast_class is None else contents.class_title(metrics.blast_class),
            "averages": subject_averages(metrics),
            "reasons": missing_reasons({each.name: each.mean for each in subject_averages(metrics)}),
            "concentration": _concentration(contents),
            "is_scored": contents.is_scored,
        },
    )


def subject_averages(metrics: Metrics) -> list[SubjectAverage]:
    """Sensitivity and specificity averaged over subjects; without a blast class the accuracy; none without subjects."""
    if metrics.subject_mean is None:
        return []
    names = ("accuracy",) if metrics.blast_class is None else ("sensitivity", "specificity")
    averages = [
        SubjectAverage(METRICS[name].title, metrics.subject_mean[name], metrics.subject_spread.get(name))
        for name in names
    ]
    return [each for each in averages if each.mean.value is not None]


def averages_sentence(metrics: Metrics) -> str:
    """The scores averaged over subjects, in a sentence; empty if no subject is known."""
    parts = [
        f"{each.name.lower()} {with_interval(each.mean)}"
        + (f" over {counted(each.spread.subjects, 'subject')}" if each.spread else "")
        for each in subject_averages(metrics)
    ]
    return f"Averaged over subjects, so that each person counts equally: {joined(parts)}." if parts else ""


def _concentration(contents: ReportContents) -> str:
    """How many of the blasts are of a few subjects; empty if they are spread evenly."""
    metrics = contents.metrics
    cells = sorted((row.cells for row in metrics.per_subject if row.label == metrics.blast_class), reverse=True)
    if len(cells) <= 2 * _FEW or sum(cells[:_FEW]) < 0.5 * sum(cells):
        return ""
    title = contents.class_title(metrics.blast_class or "")
    return (
        f"{_FEW} of {len(cells)} subjects hold {100 * sum(cells[:_FEW]) / sum(cells):.0f} % of the {title} cells, so "
        "scores over cells are mostly theirs."
    )


@styled()
def subjects_figure(subjects: Sequence[SubjectScores], overall: float, name: Callable[[str], str] = str) -> Figure:
    """The accuracy of each subject: one dot per subject, its area proportional to the number of cells."""
    labels = sorted({row.label for row in subjects})
    most_cells = max(row.cells for row in subjects)
    figure, axes = new_axes(max(_WIDTH, 1.5 + 0.65 * len(labels)), _HEIGHT)
    dots: list[_Dot] = []
    named: list[_Dot] = []
    for index, label in enumerate(labels):
        rows = [row for row in subjects if row.label == label]
        heights, x = _accuracies(rows), index + _spread(len(rows))
        areas = np.array([14 + 110 * row.cells / most_cells for row in rows])
        axes.scatter(x, heights, s=areas, color=BLUE, alpha=0.7, ec="white", lw=0.8, clip_on=False, zorder=3)
        of_label = [_Dot(row.subject, *place) for row, *place in zip(rows, x, heights, np.sqrt(areas) / 2, strict=True)]
        dots += of_label
        named += _lowest(of_label, overall)
    axes.axhline(overall, color=ORANGE, lw=1.2, ls=(0, (4, 3)), zorder=1)
    axes.annotate("all cells", (1, overall), xycoords=("axes fraction", "data"), color=ORANGE, fontsize=9, va="center")
    rotation = 0 if len(labels) <= _MOST_LEVEL_NAMES else 45
    axes.set_xticks(range(len(labels)), [drawable(name(label), 24) for label in labels], rotation=rotation)
    lowest = float(_accuracies(subjects).min())
    axes.set(xlim=(-0.6, len(labels) - 0.4), ylim=(min(0.75, np.floor(5 * lowest) / 5 - 0.03), 1.03))
    axes.set_xlabel("label of the subject's cells")
    axes.set_ylabel("fraction classified as labelled")
    axes.grid(axis="y", color=PALE, lw=0.8)
    _write_names(axes, dots, named)
    return figure


def _accuracies(rows: Sequence[SubjectScores]) -> NDArray[np.float64]:
    return np.array([row.accuracy.value for row in rows], dtype=np.float64)


def _spread(number: int) -> NDArray[np.float64]:
    # Steps of the golden ratio fill a strip evenly and deterministically.
    return np.asarray((np.arange(number) * _GOLDEN_RATIO % 1 - 0.5) * (0.5 if number > 1 else 0), dtype=np.float64)


def _lowest(dots: Sequence[_Dot], overall: float) -> list[_Dot]:
    """The lowest dots below the score of all cells, of equal ones the largest first."""
    below = [dot for dot in dots if dot.accuracy < overall]
    return sorted(below, key=lambda dot: (dot.accuracy, -dot.radius))[:_MOST_LABELLED]


def _write_names(axes: Axes, dots: Sequence[_Dot], named: Sequence[_Dot]) -> None:
    """Write names beside their dots, on no other name and if possible on no dot; one that fits nowhere is left out."""
    names: list[Bbox] = []
    boxes = [dot.box(axes) for dot in dots]
    for dot in named:
        for covered, place in product((boxes, []), _NAME_PLACES):
            name = _write_name(axes, dot, *place)
            box = name.get_window_extent()
            if box.count_overlaps([*names, *covered]) == 0:
                names.append(box)
                break
            name.remove()


def _write_name(axes: Axes, dot: _Dot, towards: tuple[int, int], across: str, along: str) -> Annotation:
    return axes.annotate(
        drawable(dot.subject, 10),
        (dot.x, dot.accuracy),
        xytext=(towards[0] * (dot.radius + 3), towards[1] * (dot.radius + 3)),
        textcoords="offset points",
        fontsize=8,
        ha=across,
        va=along,
        color=GREY,
    )


_TEMPLATE = """
{% if averages %}
<p>Scores over cells and averages over subjects answer different questions: the first give equal weight to
every cell, the second to every person. {{ concentration }}</p>
{% call region("Scores averaged over subjects") %}
<table class="small">
<caption>The score averaged over subjects, with its 95 % interval, and the score of each subject summarised.</caption>
<thead><tr><th scope="col">Score</th><th scope="col" class="n">Subjects</th><th scope="col" class="n">Mean</th>
<th scope="col" class="n">Standard deviation</th><th scope="col" class="n">Lowest</th>
<th scope="col" class="n">Median</th><th scope="col" class="n">Highest</th></tr></thead>
<tbody>
{% for each in averages %}
<tr><th scope="row">{{ each.name }}</th><td class="n">{{ each.spread.subjects if each.spread else "" }}</td>
<td class="n">{{ measured(each.mean) }}</td>
{% if each.spread %}
<td class="n">{{ each.spread.standard_deviation|number }}</td><td class="n">{{ each.spread.lowest|number }}</td>
<td class="n">{{ each.spread.median|number }}</td><td class="n">{{ each.spread.highest|number }}</td>
{% else %}<td></td><td></td><td></td><td></td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
{% for reason in reasons %}
<p class="soft">{{ reason }}</p>
{% endfor %}
{% endif %}
{% if subjects %}
<div class="pair one narrow">
{{ figure(subjects) }}
<div class="wide" role="region" aria-label="Table of subjects" tabindex="0">
<table>
<caption>Lowest fraction first. Its range is the exact 95 % binomial interval over this subject&rsquo;s cells.</caption>
<thead><tr>{{ sortable("Subject") }}{{ sortable("Label") }}{{ sortable("Cells", "n") }}{{ sortable("As labelled", "n")
}}{{ sortable("Fraction", "n") }}{% if blast %}{{ sortable("Predicted " ~ blast, "n") }}{% endif %}</tr></thead>
<tbody>
{% for row, label in rows %}
<tr><th scope="row">{{ row.subject }}</th><td>{{ label }}</td><td class="n">{{ "{:,}".format(row.cells) }}</td>
<td class="n">{{ "{:,}".format(row.correct) }}</td><td class="n">{{ measured(row.accuracy) }}</td>
{% if blast %}<td class="n">{{ row.blast_fraction|number }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
</div>
</div>
{% elif is_scored %}
<p>The subjects of these cells are not known. Cells of one person resemble each other, so without subjects it cannot be
estimated how the model would perform on a new person.</p>
{% else %}
<p>Without labels no subject can be scored.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Subjects", anchor="subjects", order=30, build=build)
