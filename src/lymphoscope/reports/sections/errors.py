"""Which classes are confused: the confusion matrix and the ROC curve of the blast class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lymphoscope.evaluation import RocCurve, roc_of_predictions
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import number
from lymphoscope.reports.plotting import BLUE, GREY, INK, ORANGE, drawable, new_axes, styled
from lymphoscope.reports.registry import PageFigure, Section, SectionDefinition, page_figure

_WIDTH = 5.2
_MOST_CLASSES_WITH_SHARES = 4


def build(contents: ReportContents) -> Section:
    """Show the confusion matrix and, with a blast class, its ROC curve."""
    metrics = contents.metrics
    labels = [contents.class_name(name) for name in metrics.confusion.labels]
    confusion = None
    if contents.is_scored:
        confusion = page_figure(
            confusion_figure(labels, metrics.confusion.matrix),
            alt="Confusion matrix; the same counts are in the table below.",
            caption=(
                "Each row is a label, each column a prediction; the diagonal is correct. The darker, the larger the "
                "share of the row."
            ),
        )
    return Section(
        heading="Errors",
        template=_TEMPLATE,
        values={
            "confusion": confusion,
            "roc": _roc(contents),
            "blast": contents.blast_name,
            "labels": labels,
            "matrix": metrics.confusion.matrix,
            "one_column": contents.has_many_classes,
        },
    )


def _roc(contents: ReportContents) -> PageFigure | None:
    blast = contents.metrics.blast_class
    curve = roc_of_predictions(contents.predictions, blast_class=blast)
    if curve is None or blast is None:
        return None
    name, area = contents.class_name(blast), number(float(np.trapezoid(curve.true_positive, curve.false_positive)))
    sensitivity, specificity = (contents.metrics.vote[name].value for name in ("sensitivity", "specificity"))
    point = None if sensitivity is None or specificity is None else (1 - specificity, sensitivity)
    return page_figure(
        roc_figure(curve, point, contents.class_title(blast)),
        alt=f"ROC curve of {name}, area {area}.",
        caption=(
            f"The fraction of {name} cells found, against the fraction of other cells classified as {name}, as the "
            f"score threshold falls. The nearer the curve is to the upper left corner, the "
            f"better; the area under it is {area}. {_band(curve, name)}"
        ),
    )


def _band(curve: RocCurve, name: str) -> str:
    if curve.band_from is None:
        return f"It has no band: {curve.reason}."
    return (
        f"The band is the 95 % bootstrap band at each point. There is none below {curve.band_from:.2f} on the "
        f"horizontal axis: {curve.reason}, with cells that score like {name}, and the curve there would be theirs."
    )


@styled()
def confusion_figure(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Figure:
    """Counts (K, K), rows the label, columns the prediction, coloured by the share of the row."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(3 + 0.4 * len(labels), 9)
    figure, axes = new_axes(side + 0.6, side)
    # Squares leave room that the usual layout does not give to the names of the classes: it would cut them.
    figure.set_layout_engine("compressed")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        _write_count(axes, row, column, int(counts[row, column]), float(shares[row, column]), len(labels))
    names = [drawable(label).replace(" (", "\n(") for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) <= _MOST_CLASSES_WITH_SHARES else 60)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    axes.spines[:].set_visible(False)
    return figure


@styled()
def roc_figure(curve: RocCurve, point: tuple[float, float] | None, title: str) -> Figure:
    """The curve with its band; `point` is the false and true positive rate of the predictions, `title` the class."""
    figure, axes = new_axes(_WIDTH, _WIDTH - 0.6)
    if curve.band_from is not None:
        axes.fill_between(curve.grid, curve.low, curve.high, color=BLUE, alpha=0.2, lw=0, label="95 % band")
    axes.plot(curve.false_positive, curve.true_positive, color=BLUE, lw=1.8, label="score at every threshold")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="chance")
    if point is not None:
        axes.plot(
            *point, "D", color=ORANGE, ms=8, mec="white", clip_on=False, zorder=5, label="the model's predictions"
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel(f"other cells taken for {drawable(title, 18)}  (1 - specificity)")
    axes.set_ylabel(f"{drawable(title, 18)} cells found  (sensitivity)")
    axes.legend(loc="lower right", fontsize=9)
    return figure


def _write_count(axes: Axes, row: int, column: int, count: int, share: float, num_classes: int) -> None:
    with_share = num_classes <= _MOST_CLASSES_WITH_SHARES
    text = f"{count:,}\n{100 * share:.0f} %" if with_share else f"{count}"
    size = 12 if with_share else max(5, 11 - num_classes // 4)
    axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if share > 0.5 else INK)


_TEMPLATE = """
{% if confusion %}
<div class="pair{% if one_column %} one{% endif %}">
<div>
<h3>Confusion matrix</h3>
{{ figure(confusion) }}
</div>
<div>
<h3>ROC curve</h3>
{% if roc %}
{{ figure(roc) }}
{% elif blast %}
<p>There is no curve: it needs cells labelled {{ blast }} and others, and only one of the two is here.</p>
{% else %}
<p>There is no curve, because no class is the blast class.</p>
{% endif %}
</div>
</div>
<p class="soft">The same counts as a table: one row per label, one column per prediction.</p>
<div class="wide" role="region" aria-label="Confusion matrix as a table" tabindex="0">
<table class="small">
<thead><tr><th scope="col">Label</th>
{% for name in labels %}<th scope="col" class="n">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name in labels %}
<tr><th scope="row">{{ name }}</th>
{% for count in matrix[loop.index0] %}<td class="n">{{ "{:,}".format(count) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p>Without labels there is nothing to compare the predictions with.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Errors", anchor="errors", order=20, build=build)
