"""Which cells are referred to a person, why, and what other referral signals would achieve."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lymphoscope.evaluation import Metrics
from lymphoscope.evaluation.schema import Referral, RiskCoverage, Signal
from lymphoscope.referral import meaning_of
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons, number, with_interval
from lymphoscope.reports.plotting import BLUE, GREEN, INK, ORANGE, PALE, PURPLE, new_axes, styled
from lymphoscope.reports.registry import PageFigure, Section, SectionDefinition, page_figure
from lymphoscope.terminal import counted

_MOST_FAILED: Final = 50
_RULES: Final = "this model\u2019s rules"
_WIDTH, _HEIGHT = 5.2, 5.2
_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, INK, "#56B4E9", "#E69F00")
_DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1)))
"""As many as are coprime to the colours, so that the first 35 lines differ."""
_SIGNALS: Final = {
    "score": ("Plain score", ""),
    "disagreement": ("Streams disagree", ""),
    "margin": ("Margin", ""),
    "entropy": ("Entropy", ""),
    "ood_feature_distance": ("Unlike the training cells", "distance of the network's features from the training cells"),
    "ood_class_distance": ("Unlike each class", "distance of the network's features from the closest class"),
    "ood_blur": ("Out of focus", "less sharp than the training cells"),
    "ood_cut_off": ("Cut off", "extent of the cell at the edge of its image"),
    "ood_exposure": ("Exposure", "brighter or darker than the training cells"),
    "ood_colour": ("Colour", "stain colour unlike that of the training cells"),
}
"""Title and meaning of each signal; those of evaluation bring their meaning with them."""


def build(contents: ReportContents) -> Section:
    """Show the referred cells by reason, the performance on the others, and the risk-coverage curves."""
    metrics = contents.metrics
    ranked = metrics.risk_coverage
    signals = [] if ranked is None else [(signal_title(each.name), _meaning(each), each) for each in ranked.signals]
    failed = failed_cells(contents.predictions)
    return Section(
        heading="Cells referred to a person",
        template=_TEMPLATE,
        values={
            "referred": metrics.referral.cells,
            "lead": _lead(metrics, metrics.referral),
            "missed": _missed(contents.blast_name, metrics.referral),
            "rows": [(reason, meaning_of(reason), count) for reason, count in metrics.referral.reasons.items()],
            "signals": signals,
            "verdict": "" if ranked is None else ranked.verdict,
            "reasons": missing_reasons({title: signal.area for title, _, signal in signals}),
            "curves": None if ranked is None or not signals else _curves(ranked),
            "failed": failed[:_MOST_FAILED],
            "num_failed": len(failed),
        },
    )


def signal_title(name: str) -> str:
    """The title of a referral signal."""
    return _SIGNALS[name][0] if name in _SIGNALS else name.removeprefix("ood_").replace("_", " ").capitalize()


def _meaning(signal: Signal) -> str:
    return _SIGNALS.get(signal.name, ("", ""))[1] or signal.meaning


def failed_cells(predictions: pd.DataFrame) -> list[tuple[str, str]]:
    """Path and error of the cells that could not be read."""
    failed = predictions[predictions["error"].notna()]
    return list(zip(failed["path"].astype(str), failed["error"].astype(str), strict=True))


@styled()
def risk_coverage_figure(ranked: RiskCoverage) -> Figure:
    """Risk against coverage: one line per signal, a cross for the model's rules."""
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    for index, signal in enumerate(ranked.signals):
        colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
        coverage, risk = np.array(signal.curve).reshape(-1, 2).T
        axes.plot(coverage, risk, color=colour, ls=dash, lw=1.5, label=signal_title(signal.name))
    if ranked.operating_point is not None:
        axes.plot(*ranked.operating_point, "X", color=ORANGE, ms=11, mec="white", zorder=5, label=_RULES)
    axes.set(xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("fraction of cells not referred (coverage)")
    axes.set_ylabel("fraction of errors among them (risk)")
    axes.grid(axis="y", color=PALE, lw=0.8)
    figure.legend(fontsize=8, ncols=2, loc="outside lower center")
    return figure


def _curves(ranked: RiskCoverage) -> PageFigure | None:
    rules = "The cross is what this model\u2019s rules do."
    if ranked.operating_point is None:
        rules = "This model\u2019s rules refer every cell, so there is no cross for them."
    return page_figure(
        risk_coverage_figure(ranked),
        alt="Risk-coverage curves, one per referral signal; the areas are in the table beside it.",
        caption=(
            "If the cells that a signal ranks as most uncertain are referred to a person, this fraction of errors is "
            "left among the others. The lower the line, the better the signal; a flat line carries no information. "
            + rules
        ),
    )


def _lead(metrics: Metrics, referral: Referral) -> str:
    cells = f"{referral.cells:,} of {metrics.cells:,} cells (fraction {number(referral.fraction)})"
    if referral.accepted_accuracy.value is None:
        return f"The model refers {cells} to a person."
    others = counted(referral.accepted_cells, "labelled cell")
    return (
        f"The model refers {cells} to a person. Of the {others} that it does not refer, it classified a fraction of "
        f"{with_interval(referral.accepted_accuracy)} as labelled; of all labelled cells, "
        f"{with_interval(metrics.vote['accuracy'])}."
    )


def _missed(blast: str | None, referral: Referral) -> str:
    if referral.missed_blasts.value is None:
        return ""
    missed = (
        f"Missed: of the cells labelled {blast} a fraction of "
        f"{with_interval(referral.missed_blasts)} was classified otherwise and not referred."
    )
    if referral.missed_blasts_of_subjects is not None:
        missed += f" Averaged over subjects it is {with_interval(referral.missed_blasts_of_subjects)}."
    return " ".join([missed, *referral.promise])


_TEMPLATE = """
{% if referred %}
<p>{{ lead }}</p>
{% if missed %}
<p>{{ missed }}</p>
{% endif %}
{% call region("Reasons for referral") %}
<table class="small">
<caption>A cell may have several reasons. The column <code>refer</code> of the predictions marks the cells.</caption>
<thead><tr><th scope="col">Reason</th><th scope="col">Meaning</th><th scope="col" class="n">Cells</th></tr></thead>
<tbody>
{% for reason, meaning, count in rows %}
<tr><th scope="row">{{ reason }}</th><td>{{ meaning }}</td><td class="n">{{ "{:,}".format(count) }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
{% else %}
<p>None: no cell met a reason for referral. That does not prove that the predictions are correct.</p>
{% if missed %}
<p>{{ missed }}</p>
{% endif %}
{% endif %}
{% if signals %}
<h3>Referring more cells, or fewer</h3>
<p>{{ verdict }}</p>
<div class="pair">
{{ figure(curves) }}
{% call region("Referral signals") %}
<table>
<caption>Area under each line (lower is better), with its 95 % interval.</caption>
<thead><tr>{{ sortable("Signal") }}{{ sortable("Cells", "n") }}{{ sortable("Area", "n") }}</tr></thead>
<tbody>
{% for title, meaning, signal in signals %}
<tr><th scope="row">{{ title }}<span class="range" style="white-space: normal">{{ meaning }}</span></th>
<td class="n">{{ "{:,}".format(signal.cells) }}</td><td class="n">{{ measured(signal.area) }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
</div>
{{ notes(reasons) }}
{% endif %}
{% if failed %}
<h3>Cells that could not be read</h3>
<div class="wide" role="region" aria-label="Cells that could not be read" tabindex="0">
<table>
{% if num_failed > failed|length %}
<caption>The first {{ failed|length }} of {{ "{:,}".format(num_failed) }}; the predictions hold all of them.</caption>
{% endif %}
<thead><tr><th scope="col">File</th><th scope="col">Reason</th></tr></thead>
<tbody>
{% for path, error in failed %}
<tr><td class="free"><code>{{ path }}</code></td><td class="free">{{ error }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
"""

SECTION = SectionDefinition(title="Referred cells", anchor="referral", order=60, build=build)
