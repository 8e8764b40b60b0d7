"""What the predictions are worth where blasts are rarer, or more common, than among these cells."""

from collections.abc import Sequence

from lymphoscope.evaluation import Estimate
from lymphoscope.evaluation.schema import PredictiveValues
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons
from lymphoscope.reports.registry import Section, SectionDefinition


def build(contents: ReportContents) -> Section | None:
    """Show the predictive values at several prevalences; left out without a sensitivity and a specificity."""
    rows = contents.metrics.predictive_values
    if not rows:
        return None
    blast = contents.class_title(contents.metrics.blast_class or "")
    return Section(
        "Predictive values where blasts are rarer",
        _TEMPLATE,
        {"rows": rows, "blast": blast, "reasons": _reasons(rows)},
    )


def _reasons(rows: Sequence[PredictiveValues]) -> list[str]:
    """Why values or intervals are missing; the prevalences are named only where others have them."""
    missing: dict[str, Estimate] = {}
    for name, values in {
        "PPV": {row.prevalence: row.positive_value for row in rows},
        "NPV": {row.prevalence: row.negative_value for row in rows},
    }.items():
        if len({(each.value is None, each.reason) for each in values.values()}) == 1:
            missing[name] = next(iter(values.values()))
        else:
            missing |= {f"{name} at {prevalence:.3f}": each for prevalence, each in values.items()}
    return missing_reasons(missing)


_TEMPLATE = """
<p>The fraction of {{ blast }} cells in this data set is not that of a laboratory. If sensitivity and specificity stay
as measured here over cells, these are the fractions of correct predictions at other fractions of {{ blast }} cells.</p>
{% call region("Predictive values by prevalence") %}
<table class="small">
<caption>The ranges move both 95 % intervals to their lower, and to their upper ends, which is wider than a 95 %
interval.</caption>
<thead><tr><th scope="col" class="n">Fraction of {{ blast }} cells</th>
<th scope="col" class="n">Predicted {{ blast }} and correct (PPV)</th>
<th scope="col" class="n">Predicted otherwise and correct (NPV)</th><th scope="col" class="n">Referred</th></tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.of_these_cells %} class="answer"{% endif %}><th scope="row" class="n">{{ row.prevalence|number }}
{% if row.of_these_cells %}<span class="range">these cells</span>{% endif %}</th>
<td class="n">{{ measured(row.positive_value) }}</td><td class="n">{{ measured(row.negative_value) }}</td>
<td class="n">{{ row.referred|number }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
{% for reason in reasons %}
<p class="soft">{{ reason }}</p>
{% endfor %}
"""

SECTION = SectionDefinition(title="Other prevalences", anchor="prevalence", order=45, build=build)
