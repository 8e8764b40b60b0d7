"""The scores under graded corruptions of the images."""

from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lymphoscope.evaluation.schema import CorruptionStep, Robustness
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons, sentence, with_interval, within_sentence
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, new_axes, styled
from lymphoscope.reports.registry import Section, SectionDefinition, page_figure

_SCORE: Final = "balanced_accuracy"
_WIDTH, _HEIGHT = 3.2, 2.4


@dataclass(frozen=True)
class CorruptionRow:
    """A corruption and its steps, by rising severity."""

    title: str
    steps: list[CorruptionStep]


def build(contents: ReportContents) -> Section:
    """Show balanced accuracy under each corruption and severity, if it was measured."""
    robustness = contents.metrics.robustness
    values: dict[str, object] = {"robustness": robustness}
    if robustness is not None:
        values |= _values(robustness, len(contents.metrics.classes))
    return Section(heading="Robustness to image corruptions", template=_TEMPLATE, values=values)


def _values(robustness: Robustness, num_classes: int) -> dict[str, object]:
    rows = corruption_rows(robustness)
    unchanged = robustness.uncorrupted[_SCORE]
    scores = {f"{row.title}, step {step.level}": step.scores[_SCORE] for row in rows for step in row.steps}
    return {
        "rows": [(row.title, [(step, step.scores[_SCORE]) for step in row.steps]) for row in rows],
        "unchanged_text": with_interval(unchanged),
        "levels": sorted({step.level for step in robustness.steps}),
        "lead": _lead(rows),
        "note": sentence(robustness.note) if robustness.note else "",
        "reasons": missing_reasons({"Unchanged": unchanged} | scores),
        "panels": [
            page_figure(
                corruption_figure(row, robustness, num_classes),
                alt=f"Balanced accuracy by step of {within_sentence(row.title)}; the numbers are in the table below.",
                caption="",
            )
            for row in rows
        ],
    }


def corruption_title(name: str) -> str:
    """The title of a corruption."""
    from lymphoscope.robustness import CORRUPTIONS

    known = CORRUPTIONS.get(name)
    return known.title if known else name.replace("_", " ").capitalize()


def corruption_rows(robustness: Robustness) -> list[CorruptionRow]:
    """One row per corruption, in the order in which they were measured."""
    names = dict.fromkeys(step.corruption for step in robustness.steps)
    return [
        CorruptionRow(corruption_title(name), [step for step in robustness.steps if step.corruption == name])
        for name in names
    ]


@styled()
def corruption_figure(row: CorruptionRow, robustness: Robustness, num_classes: int) -> Figure:
    """Balanced accuracy against the severity of one corruption."""
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    _draw_panel(axes, row, robustness, num_classes)
    axes.set_ylabel("balanced accuracy", fontsize=9)
    return figure


def _draw_panel(axes: Axes, row: CorruptionRow, robustness: Robustness, num_classes: int) -> None:
    points = [(0, robustness.uncorrupted[_SCORE], False)]
    points += [(step.level, step.scores[_SCORE], step.significant_drop) for step in row.steps]
    drawn = [(level, estimate) for level, estimate, _ in points if estimate.value is not None]
    axes.plot([level for level, _ in drawn], [estimate.value or 0.0 for _, estimate in drawn], color=BLUE, lw=1.4)
    for level, estimate, significant_drop in points:
        if estimate.value is None:
            continue
        if estimate.low is not None and estimate.high is not None:
            axes.plot([level, level], [estimate.low, estimate.high], color=BLUE, lw=1, alpha=0.6)
        colour = ORANGE if significant_drop else BLUE
        fill = "white" if significant_drop else colour
        axes.plot(level, estimate.value, "o", ms=6, color=colour, mfc=fill, zorder=3)
    axes.axhline(1 / num_classes, color=GREY, lw=1, ls=(0, (1, 2)))
    axes.set(ylim=(0, 1.02), xticks=[level for level, _, _ in points])
    axes.set_title(row.title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)


def _lead(rows: list[CorruptionRow]) -> str:
    first_drops = {row.title: next((step for step in row.steps if step.significant_drop), None) for row in rows}
    dropped = [f"{within_sentence(title)} from {step.amount}" for title, step in first_drops.items() if step]
    stable = [within_sentence(title) for title, step in first_drops.items() if not step]
    drops = f"Balanced accuracy drops significantly under {'; '.join(dropped)}." if dropped else ""
    rest = f" No significant drop was found under {', '.join(stable)}, at any step tried." if stable else ""
    return (drops + rest).strip()


_TEMPLATE = """
{% if robustness %}
<p>{{ lead }}</p>
<div class="panels">
{% for panel in panels %}
{{ figure(panel) }}
{% endfor %}
</div>
<p class="soft">Balanced accuracy on the same cells under each corruption, from unchanged (0) to the strongest step (5),
with 95 % intervals; the dotted line is chance. Hollow marks are steps with a significant drop.</p>
{% call region("Scores under corruptions") %}
<table>
<caption>Balanced accuracy under each corruption, {{ "{:,}".format(robustness.cells) }} cells; unchanged
{{ unchanged_text }}. Marked steps have a significant drop: the paired
interval of the difference is below 0.</caption>
<thead><tr><th scope="col">Corruption</th>
{% for level in levels %}<th scope="col" class="n">Step {{ level }}</th>{% endfor %}</tr></thead>
<tbody>
{% for title, steps in rows %}
<tr><th scope="row">{{ title }}</th>
{% for step, estimate in steps %}
<td class="n{% if step.significant_drop %} significant{% endif %}">
{% if step.significant_drop %}<span class="mark">drop</span>{% endif %}{{ measured(estimate) }}
<span class="range" style="white-space: normal">{{ step.amount }}</span></td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
{{ notes([note] + reasons) }}
{% else %}
<p>Not measured here. <code>lymphoscope stress MODEL --data SRC --out DIR --only corruptions</code> blurs, compresses,
recolours, brightens and scales the same cells in graded steps, and shows at which step the model fails.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Robustness", anchor="robustness", order=100, build=build)
