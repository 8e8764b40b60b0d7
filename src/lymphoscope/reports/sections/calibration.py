"""Whether the score can be read as a probability: reliability diagram and calibration errors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from lymphoscope.evaluation import CALIBRATION_METRICS, Estimate
from lymphoscope.evaluation.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from lymphoscope.evaluation.schema import Calibration
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import missing_reasons, with_interval
from lymphoscope.reports.plotting import BLUE, GREY, new_axes, styled
from lymphoscope.reports.registry import Section, SectionDefinition, page_figure
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    from lymphoscope.model_file import Description
    from lymphoscope.referral import Calibration as Temperature

_WIDTH, _HEIGHT = 5.2, 4.6
_FEW_CELLS, _FEW_SUBJECTS = 50, 5


def build(contents: ReportContents) -> Section:
    """Show the calibration of the score as predicted and, if it was calibrated, without calibration."""
    calibration = contents.metrics.calibration
    values: dict[str, object] = {"calibration": calibration, "unit": contents.metrics.bootstrap.unit}
    if calibration is not None:
        values |= _values(calibration, contents.description, folds=bool(contents.metrics.folds))
    return Section(heading="Calibration of the score", template=_TEMPLATE, values=values)


def _values(calibration: Calibration, description: "Description | None", *, folds: bool) -> dict[str, object]:
    rows = [("As predicted", calibration.as_predicted)]
    if description is not None and description.calibration is not None:
        rows.append(("Plain mean softmax", calibration.uncalibrated))
    titles = {name: CALIBRATION_METRICS[name].title for name in calibration.as_predicted}
    return {
        "rows": rows,
        "titles": list(titles.values()),
        "lead": _lead(calibration.as_predicted["ece"], calibration_facts(description, folds=folds)),
        "reliability": page_figure(
            reliability_figure(calibration),
            alt="Reliability diagram: how often predictions of a score are correct; metrics.json has the bins.",
            caption=(
                "Cells are binned by the score of their predicted class. Each dot is a bin: its height is the fraction "
                "of its cells classified as labelled, its area their number. On the dashed line a score of 0.8 is "
                "correct eight times in ten; below it the model is overconfident."
            ),
        ),
        "explanation": (
            "The expected calibration error (ECE) is the mean distance of the dots from the dashed line, weighted by "
            f"their number of cells ({calibration.binning}). The Brier score is the mean squared distance of the "
            "scores from the labels, log loss the mean negative log-likelihood of the labels. From few cells the ECE "
            "comes out too high; the error without bias is the root mean squared distance over the same bins, less "
            "what chance adds. A calibration intercept above 0 says that all scores are too low, a slope below 1 that "
            "they are too extreme."
        ),
        "reasons": _reasons(dict(rows), titles),
    }


def _reasons(rows: Mapping[str, Mapping[str, Estimate]], titles: Mapping[str, str]) -> list[str]:
    """Why numbers or intervals are missing; a row of the table is named only where not all rows lack them."""
    missing: dict[str, Estimate] = {}
    for name, title in titles.items():
        of_rows = {row: by_name[name] for row, by_name in rows.items()}
        if len({(each.value is None, each.reason) for each in of_rows.values()}) == 1:
            missing[title] = next(iter(of_rows.values()))
        else:
            missing |= {f"{title} ({row.lower()})": each for row, each in of_rows.items()}
    return missing_reasons(missing)


@styled()
def reliability_figure(calibration: Calibration) -> Figure:
    """One dot per bin: its mean score against its fraction of correct predictions."""
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    bins = [each for each in calibration.bins if each.cells]
    most = max((each.cells for each in bins), default=1)
    areas = [16 + 180 * each.cells / most for each in bins]
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="as often correct as the score says")
    scores, correct = [each.score for each in bins], [each.correct for each in bins]
    axes.plot(scores, correct, color=BLUE, lw=1)
    axes.scatter(scores, correct, s=areas, color=BLUE, ec="white", lw=0.8, zorder=3, label="this model", clip_on=False)
    axes.set(xlim=(min([0.5, *scores]) - 0.03, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel("score of the predicted class")
    axes.set_ylabel("fraction classified as labelled")
    figure.legend(fontsize=9, ncols=2, loc="outside lower center")
    return figure


def calibration_facts(description: "Description | None", *, folds: bool) -> str:
    """How the score was calibrated, with a warning if the temperature is not to be trusted."""
    if description is None:
        return "The predictions alone do not say whether their score was calibrated."
    if folds:
        return (
            "Each fold calibrated its score on its own calibration subjects, so the diagram mixes several temperatures."
        )
    fitted = description.calibration
    if fitted is None:
        return "The score was not calibrated."
    fit = f"{counted(fitted.cells, 'cell')} of {counted(fitted.subjects, 'calibration subject')}"
    return f"The score was calibrated: temperature {fitted.temperature:.2f}, fitted on {fit}.{_warning(fitted)}"


def _warning(fitted: "Temperature") -> str:
    if fitted.cells < _FEW_CELLS or fitted.subjects < _FEW_SUBJECTS:
        return (
            f" Warning: this is too little to fit a temperature (fewer than {_FEW_CELLS} cells or {_FEW_SUBJECTS} "
            "subjects), so the score must not be read as a probability."
        )
    if not MIN_TEMPERATURE < fitted.temperature < MAX_TEMPERATURE:
        return " Warning: the temperature is at the limit of its range, so the score must not be read as a probability."
    return ""


def _lead(ece: Estimate, calibration: str) -> str:
    error = ""
    if ece.value is not None:
        error = f" On these cells it differs from the fraction correct by {with_interval(ece)} on average (ECE)."
    return f"{calibration}{error} This holds for cells like these: if blasts are rarer, the same score means less."


_TEMPLATE = """
{% if calibration %}
<p>{{ lead }}</p>
<div class="pair one narrow">
{{ figure(reliability) }}
<div>
{% call region("Calibration errors") %}
<table class="small">
<caption>Of errors lower is better; of the intercept 0 is best, of the slope 1. The range is the 95 % interval over
{{ unit }}s; where it is missing, the reason is below.</caption>
<thead><tr><th scope="col">Score</th>
{% for title in titles %}<th scope="col" class="n">{{ title }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, errors in rows %}
<tr><th scope="row">{{ name }}</th>
{% for error in errors.values() %}<td class="n">{{ measured(error) }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endcall %}
<p class="soft">{{ explanation }}</p>
{{ notes(reasons) }}
</div>
</div>
{% else %}
<p>Calibration cannot be measured without labels.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Calibration", anchor="calibration", order=50, build=build)
