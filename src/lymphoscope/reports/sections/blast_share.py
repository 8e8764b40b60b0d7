"""The share of blasts of each subject and slide, and how well it separates subjects."""

import numpy as np
from matplotlib.figure import Figure

from lymphoscope.evaluation import Estimate
from lymphoscope.evaluation.schema import BlastShare, Curve, DecisionCurve, SubjectLevel
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons, natural_key, with_interval
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, drawable, new_axes, styled
from lymphoscope.reports.registry import Section, SectionDefinition, page_figure

_WIDTH = 5.2


def build(contents: ReportContents) -> Section:
    """Show the share of blasts of each subject, or say why there is none."""
    level, blast = contents.metrics.subject_level, contents.metrics.blast_class
    has_shares = level is not None and bool(level.subjects) and blast is not None
    title = "" if blast is None else contents.class_title(blast)
    titles = {name: contents.class_title(name) for name in contents.metrics.classes}
    values: dict[str, object] = {"level": level if has_shares else None, "blast": title, "titles": titles}
    if level is not None and blast is not None and level.subjects:
        values |= _values(level, blast, title)
    return Section(heading="Share of blasts per subject", template=_TEMPLATE, values=values)


def _values(level: SubjectLevel, blast: str, title: str) -> dict[str, object]:
    threshold = f"{level.blast_threshold:g} %"
    corrected = {f"subject {row.subject}, corrected": row.corrected for row in level.subjects}
    return {
        "threshold": threshold,
        "decide": decision,
        "subjects": _sorted(level.subjects),
        "slides": _sorted(level.slides) if len(level.slides) > len(level.subjects) else [],
        "lead": _lead(level, threshold),
        "explanation": _explanation(title, threshold),
        "reasons": missing_reasons(corrected),
        "separation": _separation(level.auc),
        "shares": page_figure(
            blast_share_figure(level, blast, title),
            alt="Share of predicted blasts per subject with its exact interval; the numbers are in the table below.",
            caption=(
                f"Each line is a subject: the dot is the share of its cells classified as {title}, the bar "
                "its exact 95 % binomial interval, which takes every prediction as correct. The dashed line is the "
                f"threshold. Filled dots are labelled {title}, hollow ones are not."
            ),
        ),
        "decision_curve": page_figure(
            decision_curve_figure(level.decision_curves) if level.decision_curves else None,
            alt="Decision curve of subjects; metrics.json has the numbers.",
            caption=(
                "The net benefit, in found subjects per subject, of acting on every subject whose share of predicted "
                f"{title} cells reaches the threshold. Someone who acts from 10 % on accepts nine false alarms for one "
                "subject found. The predictions are worth acting on where the curve is above both that of acting on "
                "all and 0, acting on none. The bars are 95 % intervals, from the exact ones of the shares of "
                "subjects that are found and of false alarms; one that ends at the lower edge reaches further. The "
                "share is not a calibrated risk: this curve shows the cost of taking it as one."
            ),
        ),
        "roc": page_figure(
            None if level.roc is None else subject_roc_figure(level.roc),
            alt="ROC curve of separating subjects by their share of predicted blasts.",
            caption=(
                f"Each step is a subject: the fraction of subjects labelled {title} that are found, "
                "against the fraction of other subjects taken for them, as the threshold on the share falls."
            ),
        ),
    }


@styled()
def blast_share_figure(level: SubjectLevel, blast: str, title: str) -> Figure:
    """The share of blasts of each subject with its exact interval, largest first, and the threshold."""
    rows = sorted(level.subjects, key=lambda row: -(row.share.value or 0.0))
    figure, axes = new_axes(7.2, 1.3 + 0.2 * len(rows))
    # None becomes NaN, which draws nothing. One artist for all bars, and one for all dots: there may be thousands.
    ends = ("value", "low", "high")
    value, low, high = np.array([[getattr(row.share, end) for row in rows] for end in ends], dtype=np.float64)
    fills = [BLUE if row.label == blast else "white" for row in rows]
    axes.hlines(range(len(rows)), low, high, color=GREY, lw=1.4, zorder=1)
    axes.scatter(value, range(len(rows)), s=36, facecolor=fills, edgecolor=BLUE, zorder=2, clip_on=False)
    axes.axvline(level.blast_threshold / 100, color=ORANGE, lw=1.2, ls=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [drawable(row.subject, 14) for row in rows], fontsize=8)
    axes.set(xlim=(-0.01, 1.01), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel(f"share of the subject\u2019s cells predicted {drawable(title, 18)}")
    return figure


@styled()
def subject_roc_figure(curve: Curve) -> Figure:
    """The ROC curve of separating subjects by their share of predicted blasts."""
    figure, axes = new_axes(_WIDTH, _WIDTH - 0.6)
    axes.plot(curve.false_positive, curve.true_positive, color=BLUE, lw=1.8, label="share of predicted blasts")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="chance")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("other subjects taken for subjects with blasts")
    axes.set_ylabel("subjects with blasts found")
    axes.legend(loc="lower right", fontsize=9)
    return figure


@styled()
def decision_curve_figure(curves: list[DecisionCurve]) -> Figure:
    """Net benefit by threshold, one panel per share of subjects with blasts."""
    figure = Figure(figsize=(3.1 * len(curves) + 0.8, 3.4), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        thresholds = [point.threshold for point in curve.points]
        benefits = [point.net_benefit for point in curve.points]
        # None becomes NaN, which draws no bar.
        low, high = (np.array([getattr(each, end) for each in benefits], dtype=np.float64) for end in ("low", "high"))
        axes.vlines(thresholds, low, high, color=BLUE, alpha=0.4, lw=1.4)
        axes.plot(thresholds, [benefit.value for benefit in benefits], color=BLUE, lw=1.8, label="share of blasts")
        axes.plot(thresholds, [point.act_on_all for point in curve.points], color=GREY, lw=1, label="act on all")
        axes.axhline(0, color=ORANGE, lw=1, ls=(0, (4, 3)), label="act on none")
        axes.set(xlim=(0, 1), ylim=(-0.6 * curve.prevalence, 1.1 * curve.prevalence))
        axes.set_title(
            f"{100 * curve.prevalence:.0f} % with blasts" + (" (these)" if curve.of_these_subjects else ""), size=10
        )
        axes.set_xlabel("threshold of the share")
    figure.axes[0].set_ylabel("net benefit")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=9, ncols=3, loc="outside lower center")
    return figure


def _sorted(rows: list[BlastShare]) -> list[BlastShare]:
    return sorted(rows, key=lambda row: (natural_key(row.subject), natural_key(row.slide or "")))


def decision(row: BlastShare) -> str:
    """Where the share corrected for errors lies against the threshold, decided by its whole interval."""
    return row.side if row.side != "undecided" or row.enough_cells else "too few cells"


def _lead(level: SubjectLevel, threshold: str) -> str:
    decisions = [decision(row) for row in level.subjects]
    undecided = len(decisions) - decisions.count("above") - decisions.count("below")
    enough = sum(row.enough_cells for row in level.subjects)
    return (
        f"Corrected for the classifier\u2019s errors, the share of blasts is above {threshold} in "
        f"{decisions.count('above')} of {len(decisions)} subjects and below it in {decisions.count('below')}; in "
        f"{undecided} it cannot be decided. {enough or 'No subject'} {'has' if enough < 2 else 'have'} the "
        f"{level.min_cells} cells that the ICSH asks for in a differential count."
    )


def _explanation(title: str, threshold: str) -> str:
    return (
        f"Share: the fraction of the subject\u2019s cells classified as {title}, with its exact "
        "(Clopper-Pearson) interval. Corrected: the Rogan-Gladen estimate, with the sensitivity and specificity "
        "measured on the labelled cells of the other subjects. A subject is above or below "
        f"{threshold} only if the whole corrected interval is. The cells were selected by the data set\u2019s authors, "
        "so a share here is not the subject\u2019s blood count."
    )


def _separation(auc: Estimate) -> str:
    if auc.value is None:
        return f"It cannot be computed: {auc.reason}."
    reason = f" No interval: {auc.reason}." if auc.low is None and auc.reason else ""
    return f"Area under the curve {with_interval(auc)}; 0.5 is chance.{reason}"


_TEMPLATE = """
{% macro share_table(rows, with_slides) %}
<div class="wide" role="region" aria-label="Share of blasts" tabindex="0">
<table>
<thead><tr>{{ sortable("Subject") }}{% if with_slides %}{{ sortable("Slide") }}{% endif %}{{ sortable("Label") }}
{{ sortable("Cells", "n") }}{{ sortable("Predicted " ~ blast, "n") }}{{ sortable("Share", "n") }}
{{ sortable("Corrected", "n") }}{{ sortable("Corrected against " ~ threshold) }}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.subject }}</th>{% if with_slides %}<td>{{ row.slide or "" }}</td>{% endif %}
<td>{{ titles.get(row.label) or row.label or "unknown" }}</td><td class="n">{{ "{:,}".format(row.cells) }}</td>
<td class="n">{{ "{:,}".format(row.predicted_positive) }}</td><td class="n">{{ measured(row.share) }}</td>
<td class="n">{{ measured(row.corrected) }}</td><td>{{ decide(row) }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}
{% if level %}
<p>{{ lead }}</p>
<p class="soft">{{ explanation }}</p>
<div class="pair one">{{ figure(shares) }}</div>
{{ share_table(subjects, false) }}
{{ notes(reasons) }}
{% if slides %}
<details><summary>The same by slide</summary>
{{ share_table(slides, true) }}
</details>
{% endif %}
<h3>Separating subjects by their share of blasts</h3>
<p>{{ separation }}</p>
{% if roc %}
<div class="pair">{{ figure(roc) }}</div>
{% endif %}
{% if decision_curve %}
<h3>What acting on the share is worth</h3>
<div class="pair one broad">{{ figure(decision_curve) }}</div>
{% endif %}
{% elif blast %}
<p>The subjects of these cells are not known, so there is no share per subject.</p>
{% else %}
<p>No class is the blast class, so there is no share of blasts.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Share of blasts", anchor="blast-share", order=40, build=build)
