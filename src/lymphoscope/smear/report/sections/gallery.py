"""The gallery of all cells, from the most to the least suspicious."""

from lymphoscope.reports import Section, SectionDefinition
from lymphoscope.smear.cell_classes import titles_of
from lymphoscope.smear.report.smear_contents import SmearContents


def build(contents: SmearContents) -> Section | None:
    """Show the gallery, which a script fills with the cells in view."""
    if not contents.cells:
        return None
    blast, titles = contents.description.blast_class, titles_of(contents.description)
    return Section(
        heading="Cells",
        template=_TEMPLATE,
        values={
            "cells": len(contents.cells),
            "classes": list(titles.values()),
            "blast": None if blast is None else titles[blast],
        },
    )


_TEMPLATE = """
<p>{{ plural(cells, "cell") }}, the most suspicious first:
{% if blast %}by the score of {{ blast }}.
{% else %}referred cells first, the least certain of them before the others.{% endif %}{{ " " }}
<span class="on-screen">A click shows a cell in its place in the field.</span>
<span class="on-paper">The gallery is on the page itself and is not printed.</span></p>
<form class="filters" id="filters">
<label>Order <select name="sort"><option value="suspicion">most suspicious first</option>
<option value="order">as counted</option><option value="unsure">least certain first</option>
<option value="label">by class</option></select></label>
<label>Class <select name="label"><option value="">all</option>
{% for title in classes %}<option value="{{ loop.index0 }}">{{ title }}</option>{% endfor %}</select></label>
<label>Show <select name="status"><option value="">all</option><option value="1">referred to a person</option>
<option value="0">counted</option><option value="2">not counted</option></select></label>
<output id="shown" aria-live="polite"></output>
</form>
<div class="grid" id="grid" role="group" aria-label="Cells" tabindex="-1"><div id="grid-space"></div></div>
<noscript>
<p>The gallery needs this page\u2019s script. Thumbnails lie in the folder <code>sprites</code>.</p></noscript>
<dialog id="cell" aria-labelledby="cell-name">
<form method="dialog" class="bar"><h3 id="cell-name"></h3><button type="button" id="previous">Previous</button>
<button type="button" id="next">Next</button><button id="close">Close</button></form>
<div class="detail"><div class="close-up" id="close-up" role="img" aria-label="The cell, enlarged"></div>
<dl class="facts" id="cell-facts"></dl></div>
<div class="place" id="place"></div>
</dialog>
"""

SECTION: SectionDefinition[SmearContents] = SectionDefinition(title="Cells", anchor="cells", order=20, build=build)
