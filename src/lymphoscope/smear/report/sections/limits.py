"""What the count must not be used for, and how it was made."""

from lymphoscope.reports import Section, SectionDefinition
from lymphoscope.smear.report.smear_contents import SmearContents


def build(contents: SmearContents) -> Section:
    """State the limits of the model and of the detector; list how the page was made."""
    record, description = contents.record, contents.description
    rows = [
        ("Model", f"{record.model.name}, id {record.model.id}"),
        ("Detector", record.detector),
        ("Order of counting", contents.differential.order),
        ("Command", contents.command),
        ("Date", record.date),
        ("Lymphoscope", record.lymphoscope),
    ]
    return Section(
        heading="Limits",
        template=_TEMPLATE,
        values={"limits": description.limits, "purpose": description.purpose, "rows": rows},
    )


_TEMPLATE = """
<p>This is research software, not a medical device. A count of it is not a finding: a person must look at the cells.</p>
<ul>
{% if purpose %}<li>The model: {{ purpose }}</li>{% endif %}
<li>Its limits: {{ limits or "not documented; rely on nothing." }}</li>
<li>The model was trained on images of single cells. Cells that were found on a field and cut out of it may look
different, and its errors may then be larger than those that the corrected percentages carry.</li>
<li>The detector misses white cells, and takes other things for white cells. Missed cells are in no number here.</li>
<li>Fields that were chosen by a person or a camera are not a random sample of the blood.</li>
</ul>
<h3>How it was made</h3>
{{ facts(rows) }}
"""

SECTION: SectionDefinition[SmearContents] = SectionDefinition(title="Limits", anchor="limits", order=50, build=build)
