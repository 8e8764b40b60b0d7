"""The model card: what the model is, its input, its test-time options and its limits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import yaml
from pydantic import JsonValue

from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.registry import Section, SectionDefinition
from lymphoscope.reports.sections.calibration import calibration_facts
from lymphoscope.vocabulary import OOD_SIGNALS

if TYPE_CHECKING:
    from lymphoscope.model_file import Description


def build(contents: ReportContents) -> Section:
    """Show the facts of the model's description."""
    description = contents.description
    values: dict[str, object] = {"described": description}
    if description is not None:
        values |= {
            "limits": description.limits,
            "rows": model_facts(contents, description),
            "trained_on": as_yaml(description.trained_on),
            "recipe": as_yaml(description.recipe),
        }
    return Section("Model", _TEMPLATE, values)


def model_facts(contents: ReportContents, description: "Description") -> list[tuple[str, str]]:
    """The facts of the model card: name and text."""
    parameters = contents.parameters
    architecture, test = description.architecture, description.test_time
    has_attention = architecture.head == "attention"
    head = f"attention, {architecture.num_maps} maps" if has_attention else "average pooling and one linear layer"
    rows = [
        ("Name", description.name),
        ("Backbone", architecture.backbone),
        ("Head", head),
        ("Parameters", f"{parameters:,}" if parameters is not None else ""),
        ("Classes", ", ".join(map(contents.class_name, description.classes))),
        ("Blast class", contents.blast_name or "none"),
        ("Input", _input(description)),
        ("Streams at test time", ", ".join(test.streams) if has_attention else "raw"),
        ("Decision", {"vote": "the class that most streams predict", "mean": "the highest mean score"}[test.decision]),
        ("Views of a cell at test time", f"{test.views}, mirrored and turned, averaged" if test.views > 1 else "one"),
        ("Attention at test time", _attention(description) if has_attention else ""),
        ("A cell is referred if", _thresholds(description)),
        ("Calibration of the score", calibration_facts(description, folds=bool(contents.metrics.folds))),
        ("Attribution", description.attribution or ""),
        ("Weights, SHA-256", description.weights_sha256),
    ]
    return [(name, text) for name, text in rows if text]


def as_yaml(value: Mapping[str, JsonValue]) -> str:
    """Nested values as YAML, in their own order."""
    text: str = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=100)
    return text


def _input(description: "Description") -> str:
    preprocessing = description.preprocessing
    fitted = {
        "center_crop": f"the central {preprocessing.crop} x {preprocessing.crop} pixels of the image",
        "resize": "the whole image",
    }[preprocessing.crop_mode]
    return f"{fitted}, at {preprocessing.size} x {preprocessing.size} pixels, RGB"


def _attention(description: "Description") -> str:
    test = description.test_time
    map_name = {"mean": "the mean of the maps", "max_energy": "the strongest map"}[test.map]
    fill = {"mean": "grey", "black": "black"}[test.fill]
    crop = (
        f"crop where it is at least {test.crop_threshold:g} of its range, padded by {test.crop_padding:g} of the side"
    )
    erase = f"; erase where it is at least {test.erase_threshold:g}, with {fill}" if "erase" in test.streams else ""
    return f"{map_name}; {crop}{erase}"


def _thresholds(description: "Description") -> str:
    thresholds = description.referral
    return (
        f"fewer than {100 * thresholds.minimum_agreement:.0f} % of the streams agree, or the score of the predicted "
        f"class is below {thresholds.minimum_score:g}{_band(description)}{_ood(description)}"
    )


def _band(description: "Description") -> str:
    band = description.referral.band
    if band is None or "score" not in description.referral.rules:
        return ""
    return f", or the mean softmax of {description.blast_class} is between {band.low:.3g} and {band.high:.3g}"


def _ood(description: "Description") -> str:
    reference = description.referral.ood_reference
    signals = [signal for signal in OOD_SIGNALS if signal in description.referral.rules]
    if reference is None or not signals:
        return ""
    named = ", ".join(signals).replace("_", " ")
    return f", or the cell is unlike {100 * reference.share:g} % of the training cells ({named})"


_TEMPLATE = """
{% if described %}
{% if limits %}
<p><b>Limits:</b> {{ limits }}</p>
{% endif %}
{{ facts(rows) }}
<details><summary>Training data</summary><pre>{{ trained_on }}</pre></details>
<details><summary>Recipe</summary><pre>{{ recipe }}</pre></details>
{% else %}
<p>The predictions came without a description of the model.</p>
{% endif %}
"""

SECTION = SectionDefinition(title="Model and limits", anchor="model", order=130, build=build)
