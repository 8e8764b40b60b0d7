"""How good the fields are: what was set aside and why, and the scale that was used."""

from collections import Counter
from collections.abc import Sequence

from lymphoscope.reports import Section, SectionDefinition
from lymphoscope.smear.plan import NO_RED_CELLS_FLAG, SCALE_FLAG
from lymphoscope.smear.quality import FLAGS
from lymphoscope.smear.records import FieldRecord
from lymphoscope.smear.report.smear_contents import SmearContents

_OF_FIELDS = {
    SCALE_FLAG: "The scale differs from that of the red cells by more than half.",
    NO_RED_CELLS_FLAG: "No round red cells were seen in the fields that were looked at: is this a blood smear?",
}

_NAMES = 8
"""Slides that are named of those with one scale."""


def build(contents: SmearContents) -> Section:
    """Show the share of tiles that was set aside, each flag, and the scales."""
    tiles = contents.record.tiles
    flags = Counter(flag for tile in tiles for flag in tile.flags)
    flags.update(flag for one in contents.record.fields for flag in one.flags if flag in _OF_FIELDS)
    sentences = {**FLAGS, **_OF_FIELDS}
    aside = sum(tile.set_aside for tile in tiles)
    return Section(
        heading="Quality",
        template=_TEMPLATE,
        values={
            "tiles": len(tiles),
            "aside": aside,
            "share": 100 * aside / len(tiles) if tiles else 0.0,
            "flags": [(sentences.get(flag, flag), number) for flag, number in flags.most_common()],
            "scales": scale_sentences(contents.record.fields),
        },
    )


def scale_sentences(fields: Sequence[FieldRecord]) -> list[str]:
    """Return a sentence per scale, with the slides whose fields have it where there is more than one."""
    slides: dict[str, dict[str, None]] = {}
    for one in fields:
        if one.microns_per_pixel:
            slides.setdefault(_scale(one), {})[one.slide or one.field] = None
    if len(slides) < 2:
        return list(slides)
    return [f"{', '.join([*names][:_NAMES])}{_more(len(names))}: {scale}" for scale, names in slides.items()]


def _more(names: int) -> str:
    return f" and {names - _NAMES:,} more" if names > _NAMES else ""


def _scale(one: FieldRecord) -> str:
    origin = {"given": "as given", "file": "as the file says", "red cells": "estimated from red cells"}
    text = f"{one.microns_per_pixel:.3g} micrometres per pixel, {origin.get(one.scale_source or '', 'unknown')}"
    if one.scale_of_red_cells is not None and one.scale_source != "red cells":
        text += f"; red cells say {one.scale_of_red_cells:.3g}"
    return text + "."


_TEMPLATE = """
<p>{{ plural(aside, "tile") }} of {{ "{:,}".format(tiles) }} ({{ "%.0f"|format(share) }} %) were set aside:
no cells were looked for there.</p>
{% if flags %}
<table class="small">
<thead><tr><th scope="col">What was noticed</th><th scope="col" class="n">Tiles or fields</th></tr></thead><tbody>
{% for sentence, number in flags %}<tr><td>{{ sentence }}</td><td class="n">{{ "{:,}".format(number) }}</td></tr>
{% endfor %}</tbody></table>
{% endif %}
<h3>Scale</h3>
{% for line in scales[:20] %}<p>{{ line }}</p>
{% else %}<p>No field has a scale.</p>
{% endfor %}
"""

SECTION: SectionDefinition[SmearContents] = SectionDefinition(title="Quality", anchor="quality", order=40, build=build)
