"""The differential count with its intervals: over all fields, then by slide and subject."""

from matplotlib.figure import Figure

from lymphoscope.reports import Section, SectionDefinition, page_figure
from lymphoscope.reports.formatting import MISSING
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, drawable, new_axes, styled
from lymphoscope.smear.differential import ClassCount, Count, Interval
from lymphoscope.smear.report.smear_contents import SmearContents
from lymphoscope.smear.sentences import blast_sentence, interval_text

_MANY = 100
_NO_BLASTS = (
    "This model has no class of blasts and cannot count them: they are among the unidentified cells, or have the name "
    "of another class."
)


def build(contents: SmearContents) -> Section:
    """Show the count over all fields first."""
    count, others = contents.differential.overall, contents.differential.counts[1:]
    kinds = {one.level for one in others if sum(other.level == one.level for other in others) > 1}
    return Section(
        heading="Differential count",
        template=_TEMPLATE,
        values={
            "count": count,
            "lead": lead(count),
            "rows": [row for row in count.classes if _is_shown(row)],
            "blasts": blast_text(count),
            "expected": () if count.blasts is None else count.blasts.expected,
            "figure_of_count": page_figure(
                count_figure(count) if count.white_cells else None,
                alt="Percentage of each class with its exact interval; the numbers are in the table.",
                caption="Per cent of white cells, with exact 95 % intervals. Unidentified cells wait for a person.",
            ),
            "others": [one for one in others if one.level in kinds][:_MANY],
            "left_out": max(0, sum(one.level in kinds for one in others) - _MANY),
            "source": contents.differential.error_source,
            "percent": percent,
            "dash": MISSING,
        },
    )


def percent(one: Interval | None) -> str:
    """A percentage with its interval."""
    return MISSING if one is None else interval_text(one)


def _is_shown(row: ClassCount) -> bool:
    return bool(row.number or row.referred or row.counting == "white_cell")


def lead(count: Count) -> str:
    """Return the first sentences: how many white cells were counted, and how many of them have no class."""
    if not count.white_cells:
        return "No white cells were counted, so there is no differential."
    cells = f"{count.white_cells:,} white cell{'' if count.white_cells == 1 else 's'}"
    unidentified = f"{_of_them(count)} unidentified: the model refers them to a person."
    if count.target is None:
        return f"{cells} were counted, of {count.found:,} found cells of every kind. {unidentified}"
    if not count.reached:
        return f"{cells} were counted: there are fewer than the {count.target:,} that were asked for. {unidentified}"
    return f"{cells} were counted, the first on the way over the slide. {unidentified}"


def blast_text(count: Count) -> str | None:
    """Return what is said of blasts; None where no share of them is known."""
    if not any(row.is_blast for row in count.classes):
        return _NO_BLASTS
    return None if count.blasts is None else blast_sentence(count.blasts)


def _of_them(count: Count) -> str:
    if count.unidentified == count.white_cells > 1:
        return "All of them are"
    return f"{count.unidentified:,} of them {'is' if count.unidentified == 1 else 'are'}"


@styled()
def count_figure(count: Count) -> Figure:
    """The percentage of each white cell, and of unidentified ones, with its exact interval."""
    rows = [(row.title, row.percentage, row.is_blast) for row in count.classes if row.counting == "white_cell"]
    rows.append(("unidentified", count.unidentified_percentage, False))
    figure, axes = new_axes(7.2, 0.9 + 0.27 * len(rows))
    for y, (_, share, is_blast) in enumerate(rows):
        if share is not None:
            axes.plot([share.low, share.high], [y, y], color=GREY, lw=1.6, zorder=1)
            axes.plot(share.value, y, "o", ms=6.5, color=ORANGE if is_blast else BLUE, zorder=2, clip_on=False)
    if count.blasts is not None:
        axes.axvline(count.blasts.threshold, color=ORANGE, lw=1.2, ls=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [drawable(title) for title, _, _ in rows])
    axes.set(xlim=(-1, 101), ylim=(len(rows) - 0.4, -0.6), xlabel="% of white cells")
    return figure


_TEMPLATE = """
<p class="lead">{{ lead }}</p>
{% if count.white_cells %}
{% call region("Differential count") %}
<table class="stack">
<thead><tr><th scope="col">Class</th><th scope="col" class="n">Cells</th>
<th scope="col" class="n">% of white cells (exact 95 % interval)</th>
<th scope="col" class="n">Referred</th><th scope="col" class="n">% as predicted</th>
<th scope="col" class="n">% corrected for the model\u2019s errors</th></tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.is_blast %} class="answer"{% endif %}><th scope="row">{{ row.title }}
{% if row.counting == "per_100_white_cells" %}
 <span class="range">per 100 white cells</span>{% elif row.counting == "not_counted" %}
 <span class="range">not counted</span>{% endif %}</th>
<td class="n" data-name="Cells">{{ "{:,}".format(row.number) }}</td>
<td class="n" data-name="% of white cells">{{ dash if row.counting == "not_counted" else
 percent(row.percentage) }}</td>
<td class="n" data-name="Referred">{{ "{:,}".format(row.referred) }}</td>
<td class="n" data-name="% as predicted">{{ dash if row.as_predicted is none or row.counting == "not_counted" else
 "%.1f"|format(row.as_predicted) }}</td>
<td class="n" data-name="% corrected">{{ dash if row.counting == "not_counted" else
 percent(row.corrected) }}</td></tr>
{% endfor %}
<tr><th scope="row">unidentified</th><td class="n" data-name="Cells">{{ "{:,}".format(count.unidentified) }}</td>
<td class="n" data-name="% of white cells">{{ percent(count.unidentified_percentage) }}</td>
<td class="n" data-name="Referred">{{ "{:,}".format(count.unidentified) }}</td>
<td class="n" data-name="% as predicted">{{ dash }}</td>
<td class="n" data-name="% corrected">{{ dash }}</td></tr>
</tbody>
</table>
{% endcall %}
<div class="pair one">{{ figure(figure_of_count) }}</div>
{% if blasts %}<p>{{ blasts }}</p>{% endif %}
{% if expected %}
<table class="small">
<caption>The exact interval of {{ "%.1f"|format(count.blasts.share.value) }} % blasts, the share as predicted, with so
many white cells</caption>
<thead><tr><th scope="col">White cells</th><th scope="col" class="n">95 % interval, %</th></tr></thead>
<tbody>{% for one in expected %}<tr><th scope="row">{{ "{:,}".format(one.cells) }}</th>
<td class="n">{{ "%.1f to %.1f"|format(one.low, one.high) }}</td></tr>{% endfor %}</tbody></table>
{% endif %}
{% endif %}
{% if count.not_classed %}
<p>Not counted at all:
{% for reason, number in count.not_classed.items() %}
{{ "{:,}".format(number) }} {{ reason|replace("_", " ") }}{{ ", " if not loop.last }}
{%- endfor %}.</p>
{% endif %}
<p class="soft">A percentage is one of white cells; unidentified cells are among them. \u201cAs predicted\u201d takes
every referred cell for what the model says, so that those that it calls platelets or erythroblasts leave the
white cells. \u201cCorrected\u201d is that percentage
after the errors that the model makes, with an interval that carries them: {{ source }}.</p>
{% if others %}
<details><summary>The same by slide and by subject</summary>
{% call region("Count by slide and subject") %}
<table><thead><tr><th scope="col">Of</th><th scope="col" class="n">White cells</th>
{% for row in rows if row.counting != "not_counted" %}<th scope="col" class="n">{{ row.title }}</th>{% endfor %}
<th scope="col" class="n">unidentified</th></tr></thead><tbody>
{% for one in others %}
<tr><th scope="row">{{ one.level }} {{ one.name }}</th><td class="n">{{ "{:,}".format(one.white_cells) }}</td>
{% for row in rows if row.counting != "not_counted" %}
{% for own in one.classes if own.name == row.name %}
<td class="n">{{ percent(own.percentage) }}</td>{% else %}<td class="n">\u2013</td>{% endfor %}{% endfor %}
<td class="n">{{ percent(one.unidentified_percentage) }}</td></tr>
{% endfor %}
</tbody></table>
{% endcall %}
{% if left_out %}<p class="soft">{{ "{:,}".format(left_out) }} more are in differential.json.</p>{% endif %}
</details>
{% endif %}
"""

SECTION: SectionDefinition[SmearContents] = SectionDefinition(title="Count", anchor="count", order=10, build=build)
