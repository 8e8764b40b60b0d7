"""What the predictions are worth where blasts are rarer, or more common, than among these cells."""

from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons
from lymphoscope.reports.registry import Section, SectionDefinition


def build(contents: ReportContents) -> Section | None:
    """Show the predictive values at several prevalences; left out without a sensitivity and a specificity."""
    rows = contents.metrics.predictive_values
    if not rows:
        return None
    named = {f"PPV at {row.prevalence:.3f}": row.positive_value for row in rows}
    named |= {f"NPV at {row.prevalence:.3f}": row.negative_value for row in rows}
    blast = contents.class_title(contents.metrics.blast_class or "")
    return Section(
        "Predictive values where blasts are rarer",
        _TEMPLATE,
        {"rows": rows, "blast": blast, "reasons": missing_reasons(named)},
    )


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
