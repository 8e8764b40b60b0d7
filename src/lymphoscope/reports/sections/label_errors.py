"""The cells with a possible label error, by confident learning."""

from lymphoscope.data import below_common_folder
from lymphoscope.evaluation.schema import LabelErrors
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.plotting import image_uri
from lymphoscope.reports.registry import Section, SectionDefinition

_MOST_LISTED = 50


def build(contents: ReportContents) -> Section:
    """List the most doubtful labels, or say why there is no list."""
    result = contents.metrics.label_errors
    flagged = [] if result is None else result.flagged[:_MOST_LISTED]
    paths = below_common_folder([row.path for row in flagged])
    listed = [
        (path, contents.class_name(row.label), contents.class_name(row.suggested), row)
        for path, row in zip(paths, flagged, strict=True)
    ]
    return Section(
        heading="Possible label errors",
        template=_TEMPLATE,
        values={
            "result": result,
            "lead": "" if result is None else _lead(result),
            "rows": listed,
            "thumbnails": [
                (image_uri(contents.thumbnails[row.path]), file, label, suggested)
                for file, label, suggested, row in listed
                if row.path in contents.thumbnails
            ],
        },
    )


def _lead(result: LabelErrors) -> str:
    count = len(result.flagged)
    if not count:
        return (
            f"None of the {result.cells:,} labels is doubtful by this method. That does not prove that all are correct."
        )
    labels = "label is" if count == 1 else "labels are"
    return (
        f"{count:,} of {result.cells:,} {labels} doubtful: the model is certain of another class. The model may be "
        "wrong; an expert must check."
    )


_TEMPLATE = """
{% if result and not result.reason %}
<p>{{ lead }}</p>
<p class="soft">{{ result.method }}</p>
{% if thumbnails %}
<ul class="cells">
{% for uri, file, label, suggested in thumbnails %}
<li><img src="{{ uri }}" alt="{{ file }}, labelled {{ label }}, suggested {{ suggested }}">
<span>{{ label }} → {{ suggested }}?</span></li>
{% endfor %}
</ul>
{% endif %}
{% if rows %}
<div class="wide" role="region" aria-label="Possible label errors" tabindex="0">
<table>
{% if result.flagged|length > rows|length %}
<caption>The first {{ rows|length }} of {{ "{:,}".format(result.flagged|length) }}; metrics.json holds all of
them.</caption>
{% endif %}
<thead><tr>{{ sortable("File") }}{{ sortable("Subject") }}{{ sortable("Label") }}{{ sortable("Suggested") }}
{{ sortable("Label quality", "n") }}</tr></thead>
<tbody>
{% for file, label, suggested, row in rows %}
<tr><td class="free" title="{{ row.path }}"><code>{{ file }}</code></td><td>{{ row.subject or "" }}</td>
<td>{{ label }}</td><td>{{ suggested }}</td><td class="n">{{ row.quality|number }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% elif result %}
<p>Labels were not checked: {{ result.reason }}.</p>
{% else %}
<p>There are no labels to check.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Label errors", anchor="label-errors", order=80, build=build)
