"""The contact sheet: every field, or tile of a slide, with boxes around its cells."""

from lymphoscope.reports import Section, SectionDefinition
from lymphoscope.smear.report.smear_contents import SmearContents


def build(contents: SmearContents) -> Section:
    """Leave room for the pictures, which a script draws when they come into view; list what could not be read."""
    failed = [one for one in contents.record.fields if one.error is not None]
    return Section(
        heading="Fields",
        template=_TEMPLATE,
        values={"fields": contents.record.fields, "tiles": len(contents.record.tiles), "failed": failed},
    )


_TEMPLATE = """
<p>{{ plural(fields|length, "field") }}{% if tiles > fields|length %}, read in {{ plural(tiles, "tile") }}{% endif %}.
Boxes: <span class="key counted">counted</span>, <span class="key referred">referred to a person</span>,
<span class="key aside">not counted</span>.</p>
{% if failed %}
{% call region("Fields that could not be read") %}
<table><thead><tr><th scope="col">Field</th><th scope="col">File</th><th scope="col">Reason</th></tr></thead><tbody>
{% for one in failed[:200] %}
<tr><th scope="row">{{ one.field }}</th><td class="free">{{ one.path }}</td><td>{{ one.error }}</td></tr>
{% endfor %}</tbody></table>
{% endcall %}
{% endif %}
<ul class="sheet" id="sheet"></ul>
<p><button type="button" id="more" hidden>Show more</button></p>
"""

SECTION: SectionDefinition[SmearContents] = SectionDefinition(title="Fields", anchor="fields", order=30, build=build)
