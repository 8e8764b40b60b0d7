"""The result: the scores of the model, its streams and the constant baselines, with their intervals."""

from dataclasses import dataclass

from lymphoscope.evaluation import METRICS, Estimate, Metrics, Scores, applicable_metrics
from lymphoscope.reports.banners import no_conclusion_reason
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import interval, joined, number, within_sentence
from lymphoscope.reports.registry import Section, SectionDefinition
from lymphoscope.reports.sections.data import split_sentence
from lymphoscope.reports.sections.subjects import averages_sentence
from lymphoscope.terminal import counted

_STREAM_NAMES = {"raw": "Raw stream", "crop": "Crop stream", "erase": "Erase stream"}
_MANY_BASELINES = 5


@dataclass(frozen=True)
class Tile:
    """A number at the head of the page; `baseline` says what a constant prediction scores."""

    name: str
    value: str
    interval: str
    baseline: str


@dataclass(frozen=True)
class ScoreRow:
    """A row of the score table: a classifier, and its value and interval for each metric."""

    name: str
    note: str
    style: str
    cells: list[tuple[str, Estimate]]


def build(contents: ReportContents) -> Section:
    """Summarise the scores."""
    metrics = contents.metrics
    rows = score_rows(contents)
    return Section(
        heading="Result" + (" on synthetic cells" if contents.data.synthetic else ""),
        template=_TEMPLATE,
        values={
            "metrics": metrics,
            "is_scored": contents.is_scored,
            "headline": headline(metrics),
            "verdict": verdict(contents),
            "blast": contents.blast_name,
            "split": split_sentence(contents.data.split),
            "averages": averages_sentence(metrics) if contents.is_scored else "",
            "over_subjects": metrics.subject_mean is not None,
            "tiles": tiles(metrics),
            "names": [METRICS[name].title for name in shown_metrics(metrics)],
            "rows": rows,
            "all_baselines": len(shown_baselines(metrics)) == len(metrics.classes),
            "by_mean": _decision_name(contents).startswith("Mean"),
            "intervals": interval_sentence(metrics),
            "reasons": caveats(metrics),
            "definitions": definitions(contents),
        },
    )


def tiles(metrics: Metrics) -> list[Tile]:
    """The four numbers at the head of the page, each with its interval and the best constant baseline.

    They answer how well the model does on the next person: averaged over subjects where these are known.
    """
    chosen = ("sensitivity", "specificity", "weighted_f1", "auc")
    if metrics.blast_class is None:
        chosen = ("accuracy", "balanced_accuracy", "weighted_f1", "auc")
    return [_tile(name, metrics) for name in chosen]


def score_rows(contents: ReportContents) -> list[ScoreRow]:
    """One row per classifier: the model, its streams if there are several, and the constant baselines."""
    metrics = contents.metrics
    names = shown_metrics(metrics)
    decision = _decision_name(contents)
    rows = [_row(decision, "answer", metrics.vote, names)]
    if metrics.subject_mean is not None:
        rows = [
            _row(f"{decision}, averaged over subjects", "answer", metrics.subject_mean, names),
            _row(f"{decision}, over cells", "answer", metrics.vote, names),
        ]
    if len(metrics.streams) > 1:
        rows += [_row(_STREAM_NAMES[name], "stream", scores, names) for name, scores in metrics.streams.items()]
    return rows + [
        _row(f"Always {contents.class_name(label)}", "guess", metrics.constant_baselines[label], names)
        for label in shown_baselines(metrics)
    ]


def shown_metrics(metrics: Metrics) -> list[str]:
    """The metrics that apply: sensitivity and specificity need a blast class."""
    return [metric.name for metric in applicable_metrics(metrics.blast_class)]


def shown_baselines(metrics: Metrics) -> list[str]:
    """The constant baselines to show: all, or of many classes the best by weighted F1 and that of the blast class."""
    baselines = metrics.constant_baselines
    if len(baselines) < _MANY_BASELINES:
        return list(baselines)
    best = max(baselines, key=lambda label: baselines[label]["weighted_f1"].value or 0)
    return list(dict.fromkeys(label for label in (best, metrics.blast_class) if label is not None))


def caveats(metrics: Metrics) -> list[str]:
    """Why values or intervals are missing or need care, one sentence per reason."""
    names_by_reason: dict[str, list[str]] = {}
    for scores in filter(None, (metrics.subject_mean, metrics.vote, *metrics.streams.values())):
        for name in shown_metrics(metrics):
            if reason := _caveat(scores[name]):
                names_by_reason.setdefault(reason, []).append(METRICS[name].title)
    return [f"{', '.join(dict.fromkeys(names))} \u2013 {reason}." for reason, names in names_by_reason.items()]


def headline(metrics: Metrics) -> str:
    """The result in one sentence."""
    accuracy = metrics.vote["accuracy"]
    if accuracy.value is None:
        return "No cell had both a label and a prediction, so nothing could be measured."
    correct = sum(metrics.confusion.matrix[index][index] for index in range(len(metrics.classes)))
    subjects = f" of {counted(metrics.subjects, 'subject')}" if metrics.subjects else ""
    return (
        f"The model classified {correct:,} of {metrics.evaluated:,} labelled cells{subjects} as labelled "
        f"(accuracy {number(accuracy.value)})."
    )


def verdict(contents: ReportContents) -> str | None:
    """By which metrics the model is better or worse than the best constant prediction; None without scores.

    No conclusion is drawn if the model may have been trained on these cells.
    """
    if not contents.is_scored:
        return None
    if reason := no_conclusion_reason(contents):
        return f"No conclusion is drawn from these scores: {reason}."
    better, worse, unclear = _compare_with_constant(contents.metrics)
    if not better + worse + unclear:
        return "Without intervals, these scores do not show that the model is better than predicting one class always."
    parts = [("better by", better), ("worse by", worse), ("not shown to differ by", unclear)]
    details = "; ".join(f"{how} {joined(names)}" for how, names in parts if names)
    random = contents.data.split.by == "random"
    warning = " It says little about new subjects, because the split was random." if random else ""
    lead = "Compared with always predicting one class, the model is"
    if not better:
        lead = "These scores do not show that the model is better than always predicting one class: it is"
    return f"{lead} {details}.{warning}"


def _compare_with_constant(metrics: Metrics) -> tuple[list[str], list[str], list[str]]:
    """Metrics that are better, worse, or not shown to differ, each with its value and that of the best constant."""
    better: list[str] = []
    worse: list[str] = []
    unclear: list[str] = []
    for name in shown_metrics(metrics):
        estimate, constant = metrics.vote[name], _best_constant(metrics, name)
        if constant is None or estimate.value is None or estimate.low is None or estimate.high is None:
            continue
        title = METRICS[name].title
        text = f"{within_sentence(title)} ({number(estimate.value)} against {number(constant)})"
        (better if estimate.low > constant else worse if estimate.high < constant else unclear).append(text)
    return better, worse, unclear


def _best_constant(metrics: Metrics, name: str) -> float | None:
    """The best value of a constant prediction.

    None for sensitivity and specificity: one constant prediction has a sensitivity of 1, another a specificity of 1.
    """
    if METRICS[name].needs_positive_class:
        return None
    return max((each[name].value or 0.0 for each in metrics.constant_baselines.values()), default=None)


def interval_sentence(metrics: Metrics) -> str:
    """How the intervals were computed."""
    bootstrap = metrics.bootstrap
    unit, level = bootstrap.unit, f"{bootstrap.level:.0%}".replace("%", " %")
    whole = ", each with all of its cells" if unit == "subject" else ""
    text = (
        f"Intervals are {level} intervals from {bootstrap.replicates:,} bootstrap replicates over {unit}s "
        f"({bootstrap.units:,} {unit}s resampled with replacement among those with cells of the same classes{whole}; "
        f"seed {bootstrap.seed}): "
        "the value and, on either side, a quantile times the standard deviation of the replicates, on a scale that "
        f"stays within 0 and 1. They are corrected for {unit}s of unequal size, and leave room for exceptional {unit}s "
        "of whom there may be some although none is among these."
    )
    if bootstrap.linked_subjects:
        linked = joined([" and ".join(group) for group in bootstrap.linked_subjects])
        text += f" Subjects who share a cell are drawn together: {linked}."
    elif bootstrap.linked_subjects is None and unit == "subject":
        text += " Whether subjects share a cell was not looked for."
    return f"{text} Note: {bootstrap.note}." if bootstrap.note else text


def definitions(contents: ReportContents) -> list[tuple[str, str]]:
    """Each metric of the table and its definition."""
    classes, blast = [contents.class_name(name) for name in contents.metrics.classes], contents.blast_name
    return [(metric.title, metric.describe(classes, blast)) for metric in applicable_metrics(blast)]


def _caveat(estimate: Estimate) -> str | None:
    if estimate.reason:
        return f"{'no value' if estimate.value is None else 'no interval'}: {estimate.reason}"
    if estimate.value in (0, 1) and estimate.low is not None:
        return (
            "a bootstrap cannot show errors that did not occur here, so the interval ends where as many whole subjects "
            "could differ without one having been observed (exact one-sided binomial bound)"
        )
    return None


def _tile(name: str, metrics: Metrics) -> Tile:
    # The constant predictions are scored over cells, with which an average over subjects is not compared.
    constant = None if metrics.subject_mean else _best_constant(metrics, name)
    estimate = (metrics.subject_mean or metrics.vote)[name]
    return Tile(
        name=METRICS[name].title,
        value=number(estimate.value),
        interval=interval(estimate),
        baseline="" if constant is None else f"the best constant prediction scores {number(constant)}",
    )


def _row(name: str, style: str, scores: Scores, metric_names: list[str]) -> ScoreRow:
    cells = [(METRICS[each].title, scores[each]) for each in metric_names]
    return ScoreRow(name, scores.note or "", style, cells)


def _decision_name(contents: ReportContents) -> str:
    if len(contents.metrics.streams) < 2:
        return "The model"
    by_mean = contents.description is not None and contents.description.test_time.decision == "mean"
    return "Mean of the streams" if by_mean else "Vote of the streams"


_TEMPLATE = """
<p class="lead">{{ headline }}{% if verdict %} {{ verdict }}{% endif %}</p>
{% if averages %}
<p>How well does the model do on the next person? {{ averages }} The four numbers below are such averages. Over cells,
each cell has equal weight, and people with many cells decide the score; the table has both.</p>
{% endif %}
<p>{{ split }}</p>
{% if is_scored %}
<ul class="tiles">
{% for tile in tiles %}
<li><span class="what">{{ tile.name }}</span><b>{{ tile.value }}</b>
<span>{{ tile.interval or "no interval" }}</span>{% if tile.baseline %}<span>{{ tile.baseline }}</span>{% endif %}</li>
{% endfor %}
</ul>
<p class="soft">{% if over_subjects %}Averaged over subjects: each subject weighs the same for each class of its
cells. {% endif %}The 95 % interval is below each number. All numbers are between 0 and 1; 1 is best.</p>
<table class="stack">
<caption>The model{% if metrics.streams|length > 1 %}, each of its streams,{% endif %} and
{{ "the constant predictions" if all_baselines else "the best of the constant predictions" }} on the same
cells.{% if over_subjects %} All but the first row are over cells.{% endif %}</caption>
<thead><tr><th scope="col">Classifier</th>
{% for name in names %}<th scope="col" class="n">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr class="{{ row.style }}"><th scope="row">{{ row.name }}
{%- if row.note %}<span class="range" style="white-space: normal">{{ row.note }}</span>{% endif %}</th>
{% for name, estimate in row.cells %}<td class="n" data-name="{{ name }}">{{ measured(estimate) }}</td>{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
<p class="soft">{{ intervals }}</p>
{{ notes(reasons) }}
{{ facts(definitions) }}
{% if metrics.streams|length > 1 %}
<p class="soft">The network predicts {{ metrics.streams|length }} times: <b>raw</b> is the whole image
{%- if "crop" in metrics.streams %}, <b>crop</b> an enlargement of the region it attended to{% endif %}
{%- if "erase" in metrics.streams %}, <b>erase</b> the image with that region erased{% endif %}.
The class {{ "with the highest mean score" if by_mean else "that most streams predict" }} is the model&rsquo;s
prediction.</p>
{% endif %}
{% endif %}
<p class="soft">Of {{ plural(metrics.cells, "cell") }}, {{ "{:,}".format(metrics.evaluated) }}
{{ "was" if metrics.evaluated == 1 else "were" }} evaluated here, {{ "{:,}".format(metrics.unlabelled) }} had no label
and {{ "{:,}".format(metrics.failed) }} could not be read.{% if metrics.prevalence is not none %} Of those evaluated, a
fraction of {{ metrics.prevalence|number }} is labelled {{ blast }}, the blast class.{% endif %}</p>
"""

SECTION = SectionDefinition(title="Result", anchor="result", order=10, build=build)
