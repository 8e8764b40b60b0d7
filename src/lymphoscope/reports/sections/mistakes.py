"""The errors with the highest score, with what each stream saw and predicted."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

from lymphoscope.data import below_common_folder
from lymphoscope.evaluation import classes_of
from lymphoscope.reports.contents import Mistake, ReportContents
from lymphoscope.reports.plotting import image_uri
from lymphoscope.reports.registry import Section, SectionDefinition

_MOST_LISTED = 24
_IMAGES: Final = {"raw": "the cell", "attention": "attention", "crop": "crop", "erase": "erased"}


@dataclass(frozen=True)
class ShownImage:
    """An image of a mistake; `prediction` is what the stream that saw it predicted."""

    uri: str
    name: str
    prediction: str


@dataclass(frozen=True)
class ShownMistake:
    """A mistake as the page shows it; `file` is its path below the folder that all cells share."""

    mistake: Mistake
    label: str
    predicted: str
    file: str
    images: list[ShownImage]


def build(contents: ReportContents) -> Section:
    """Show the most certain errors with their images, or as a list if there are none."""
    count, listed = certain_errors(contents.predictions, _MOST_LISTED)
    files = _files(contents)
    return Section(
        heading="Errors with the highest score",
        template=_TEMPLATE,
        values={
            "count": count,
            "mistakes": [_shown(contents, mistake, files[mistake.cell.path]) for mistake in contents.mistakes],
            "listed": listed.assign(
                file=listed["path"].map(files),
                label=listed["label"].map(contents.class_name),
                predicted=listed["predicted"].map(contents.class_name),
            ).to_dict("records"),
            "is_scored": contents.is_scored,
        },
    )


def certain_errors(predictions: pd.DataFrame, most: int) -> tuple[int, pd.DataFrame]:
    """The number of cells whose prediction differs from their label, and the `most` with the highest `score`."""
    complete = predictions["label"].notna() & predictions["predicted"].notna() & predictions["error"].isna()
    errors = predictions[complete & (predictions["label"] != predictions["predicted"])]
    scores = [errors[f"score_{name}"].where(errors["predicted"] == name, 0.0) for name in classes_of(predictions)]
    ranked = errors.assign(score=sum(scores)).sort_values("score", ascending=False, kind="stable")
    return len(errors), ranked.head(most)


def _files(contents: ReportContents) -> dict[str, str]:
    """Path of each cell -> its path below the folder that all cells share."""
    paths = contents.predictions["path"].astype(str).tolist()
    own = {mistake.cell.path: mistake.cell.path for mistake in contents.mistakes}
    return own | dict(zip(paths, below_common_folder(paths), strict=True))


def _shown(contents: ReportContents, mistake: Mistake, file: str) -> ShownMistake:
    images = [
        ShownImage(image_uri(mistake.images[key]), name, _stream_prediction(contents, mistake, key))
        for key, name in _IMAGES.items()
        if key in mistake.images
    ]
    label, predicted = contents.class_name(mistake.cell.label or ""), contents.class_name(mistake.cell.predicted)
    return ShownMistake(mistake, label, predicted, file, images)


def _stream_prediction(contents: ReportContents, mistake: Mistake, stream: str) -> str:
    by_class = mistake.cell.streams.get(stream)
    if not by_class:
        return ""
    predicted = max(by_class, key=lambda name: by_class[name])
    return f"{contents.class_title(predicted)} {by_class[predicted]:.2f}"


_TEMPLATE = """
{% macro lead(shown) %}{{ plural(count, "cell") }} {{ "was" if count == 1 else "were" }} not classified as labelled.
Here {{ "is" if shown == 1 else "are" }} the {{ shown }} with the highest score{% endmacro %}
{% if mistakes %}
<p>{{ lead(mistakes|length) }}, and what the streams saw: the cell; the attention of the network, from bare (least) to
yellow (most); that region enlarged; and the cell without it. Below the image of each stream is its own prediction and
score. The label may also be wrong.</p>
<ol class="mistakes">
{% for shown in mistakes %}
<li>
<h3>Labelled {{ shown.label }}, predicted {{ shown.predicted }}
(score {{ "%.2f"|format(shown.mistake.cell.score) }})</h3>
<p title="{{ shown.mistake.cell.path }}">
{% if shown.mistake.cell.subject %}Subject {{ shown.mistake.cell.subject }}, {% endif %}{{ shown.file }}</p>
{% if shown.images %}
<div class="pictures">
{% for image in shown.images %}
<figure><img src="{{ image.uri }}" alt="{{ shown.file }}, {{ image.name }}"><figcaption>{{ image.name }}
{% if image.prediction %}<b>{{ image.prediction }}</b>{% endif %}</figcaption></figure>
{% endfor %}
</div>
{% else %}
<p>The file can no longer be read, so there is no image of it.</p>
{% endif %}
</li>
{% endfor %}
</ol>
{% elif count %}
<p>{{ lead(listed|length) }}; there are no images of what the model saw. A label may also be wrong.</p>
<div class="wide" role="region" aria-label="Errors with the highest score" tabindex="0">
<table>
<thead><tr><th scope="col">File</th><th scope="col">Subject</th><th scope="col">Label</th>
<th scope="col">Prediction</th><th scope="col" class="n">Score</th></tr></thead>
<tbody>
{% for row in listed %}
<tr><td class="free" title="{{ row.path }}"><code>{{ row.file }}</code></td><td>{{ row.subject or "" }}</td>
<td>{{ row.label }}</td><td>{{ row.predicted }}</td><td class="n">{{ row.score|number }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% elif is_scored %}
<p>There are none: every labelled cell was classified as labelled.</p>
{% else %}
<p>Errors cannot be found without labels.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Most certain errors", anchor="mistakes", order=70, build=build)
