"""What the predictions are worth where blasts are rarer, or more common, than among these cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lymphoscope.evaluation import Estimate, Metrics
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.registry import Section, SectionDefinition

PREVALENCES: Final = (0.01, 0.05, 0.2, 0.5)
"""Fractions of blasts to translate the results to, beside that of these cells."""


@dataclass(frozen=True)
class PrevalenceRow:
    """The predictive values and the fraction of referred cells at one prevalence; ranges are conservative."""

    prevalence: float
    is_own: bool
    positive_value: Estimate
    negative_value: Estimate
    referred: float | None


def build(contents: ReportContents) -> Section | None:
    """Show the predictive values at several prevalences; left out without a sensitivity and a specificity."""
    rows = prevalence_rows(contents)
    if not rows:
        return None
    blast = contents.metrics.blast_class or ""
    values = {"rows": rows, "blast": contents.class_title(blast)}
    return Section("Predictive values where blasts are rarer", _TEMPLATE, values)


def prevalence_rows(contents: ReportContents) -> list[PrevalenceRow]:
    """One row per prevalence, by rising prevalence; none without a sensitivity and a specificity."""
    metrics = contents.metrics
    if metrics.blast_class is None or metrics.prevalence is None:
        return []
    sensitivity, specificity = metrics.vote["sensitivity"], metrics.vote["specificity"]
    if sensitivity.value is None or specificity.value is None:
        return []
    blasts, others = _referral_rates(contents, metrics)
    return [
        PrevalenceRow(
            prevalence=prevalence,
            is_own=prevalence == metrics.prevalence,
            positive_value=_estimate(positive_value, sensitivity, specificity, prevalence),
            negative_value=_estimate(negative_value, sensitivity, specificity, prevalence),
            referred=None if blasts is None or others is None else prevalence * blasts + (1 - prevalence) * others,
        )
        for prevalence in sorted({*PREVALENCES, metrics.prevalence})
    ]


def positive_value(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """The fraction of the predicted blasts that are blasts (PPV, by Bayes' rule); None if none is predicted."""
    correct, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    return correct / (correct + wrong) if correct + wrong > 0 else None


def negative_value(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """The fraction of the other predictions that are not blasts (NPV, by Bayes' rule); None if there are none."""
    return positive_value(specificity, sensitivity, 1 - prevalence)


def _estimate(
    value: Callable[[float, float, float], float | None],
    sensitivity: Estimate,
    specificity: Estimate,
    prevalence: float,
) -> Estimate:
    """The value, and its range as both intervals move to their lower, and to their upper ends."""
    if sensitivity.value is None or specificity.value is None:
        return Estimate(value=None)
    point = value(sensitivity.value, specificity.value, prevalence)
    if None in (sensitivity.low, sensitivity.high, specificity.low, specificity.high):
        return Estimate(value=point)
    low = value(sensitivity.low or 0.0, specificity.low or 0.0, prevalence)
    high = value(sensitivity.high or 0.0, specificity.high or 0.0, prevalence)
    return Estimate(value=point) if low is None or high is None else Estimate(value=point, low=low, high=high)


def _referral_rates(contents: ReportContents, metrics: Metrics) -> tuple[float | None, float | None]:
    """The fraction of referred cells among those labelled as blasts, and among the other labelled cells."""
    labelled = contents.predictions[contents.predictions["label"].notna()]
    is_blast = labelled["label"] == metrics.blast_class
    parts = (labelled.loc[is_blast, "refer"], labelled.loc[~is_blast, "refer"])
    blasts, others = (float(part.astype(bool).mean()) if len(part) else None for part in parts)
    return blasts, others


_TEMPLATE = """
<p>The fraction of {{ blast }} cells in this data set is not that of a laboratory. If sensitivity and specificity stay
as measured here, these are the fractions of correct predictions at other fractions of {{ blast }} cells.</p>
{% call region("Predictive values by prevalence") %}
<table class="small">
<caption>The ranges move both 95 % intervals to their lower, and to their upper ends, which is wider than a 95 %
interval.</caption>
<thead><tr><th scope="col" class="n">Fraction of {{ blast }} cells</th>
<th scope="col" class="n">Predicted {{ blast }} and correct (PPV)</th>
<th scope="col" class="n">Predicted otherwise and correct (NPV)</th><th scope="col" class="n">Referred</th></tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.is_own %} class="answer"{% endif %}><th scope="row" class="n">{{ row.prevalence|number }}
{% if row.is_own %}<span class="range">these cells</span>{% endif %}</th>
<td class="n">{{ measured(row.positive_value) }}</td><td class="n">{{ measured(row.negative_value) }}</td>
<td class="n">{{ row.referred|number }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
"""

SECTION = SectionDefinition(title="Other prevalences", anchor="prevalence", order=45, build=build)
