"""Whether the attention maps show what the score depends on: deletion and insertion tests."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lymphoscope.evaluation import Saliency
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons, sentence
from lymphoscope.reports.plotting import BLUE, GREEN, ORANGE, PALE, PURPLE, styled
from lymphoscope.reports.registry import Section, SectionDefinition, page_figure

_WIDTH, _HEIGHT = 6.2, 3.4
_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE)
_DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def build(contents: ReportContents) -> Section:
    """Show the deletion and insertion curves of each map, if they were measured."""
    saliency = contents.metrics.saliency
    values: dict[str, object] = {"saliency": saliency, "unit": contents.metrics.bootstrap.unit}
    if saliency is not None:
        values |= _values(saliency)
    return Section(
        heading="Do the saliency maps show what the prediction depends on?", template=_TEMPLATE, values=values
    )


def _values(saliency: Saliency) -> dict[str, object]:
    rows = [(map_title(row.name), row) for row in saliency.maps]
    deletion, insertion = saliency.attention_minus_random_deletion, saliency.attention_minus_random_insertion
    areas = {f"{title}, {test}": getattr(row, test) for title, row in rows for test in ("deletion", "insertion")}
    differences = {
        "attention minus random, deletion": deletion,
        "attention minus random, insertion": insertion,
    }
    return {
        "rows": rows,
        "deletion": deletion,
        "insertion": insertion,
        "note": sentence(saliency.note) if saliency.note else "",
        "reasons": missing_reasons(areas | differences),
        "curves": page_figure(
            saliency_figure(saliency),
            alt="Score under deletion and insertion, one line per map; the areas are in the table beside it.",
            caption=(
                "The score of the predicted class as the pixels that a map ranks first are deleted (left), or inserted "
                "into an empty image (right). If a map shows what matters, the left line falls fast and the right line "
                "rises fast."
            ),
        ),
    }


def map_title(name: str) -> str:
    """The title of a saliency map."""
    from lymphoscope.robustness import MAP_TITLES

    return MAP_TITLES.get(name, name.replace("_", " ").capitalize())


@styled()
def saliency_figure(saliency: Saliency) -> Figure:
    """The score under deletion and insertion, one line per map."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    pair: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axes, test in zip(pair, ("deletion", "insertion"), strict=True):
        for row, colour, dash in zip(saliency.maps, _COLOURS, _DASHES, strict=False):
            curve = row.deletion_curve if test == "deletion" else row.insertion_curve
            axes.plot(np.linspace(0, 1, len(curve)), curve, color=colour, ls=dash, lw=1.6, label=map_title(row.name))
        axes.set_xlabel("fraction of pixels deleted" if test == "deletion" else "fraction of pixels inserted")
        axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
        axes.grid(axis="y", color=PALE, lw=0.8)
    pair[0].set_ylabel("score of the predicted class")
    pair[0].legend(fontsize=8)
    return figure


_TEMPLATE = """
{% if saliency %}
<p>{{ saliency.verdict }}</p>
<div class="pair">
{{ figure(curves) }}
<div>
{% call region("Areas under the curves") %}
<table class="small">
<caption>Area under each line, with its 95 % interval over {{ unit }}s, on {{ "{:,}".format(saliency.cells) }}
cells.</caption>
<thead><tr><th scope="col">Map</th>
<th scope="col" class="n">Deletion<span class="range">lower is better</span></th>
<th scope="col" class="n">Insertion<span class="range">higher is better</span></th></tr></thead>
<tbody>
{% for title, row in rows %}
<tr><th scope="row">{{ title }}</th><td class="n">{{ measured(row.deletion) }}</td>
<td class="n">{{ measured(row.insertion) }}</td></tr>
{% endfor %}
<tr class="answer"><th scope="row">Attention minus random</th><td class="n">{{ measured(deletion) }}</td>
<td class="n">{{ measured(insertion) }}</td></tr>
</tbody>
</table>
{% endcall %}
{{ notes([note] + reasons) }}
</div>
</div>
{% else %}
<p>Not tested here, so an attention map must not be taken as an explanation.
<code>lymphoscope stress MODEL --data SRC --out DIR --only saliency</code> tests them: it deletes pixels in the order
of the map and checks whether the score follows.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Saliency maps", anchor="saliency", order=90, build=build)
