"""Figures of cells: all of them in a plane, the input of each stream, all maps of one cell, the vote worked through."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lymphoscope.data import CellPreparation, Manifest, UnreadableImage, read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.charts import save_figure
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Column, Figure as ResultFigure, Number, Result, Row
from lymphoscope.files import written_beside
from lymphoscope.inference import Explanation, Model, load
from lymphoscope.reports import attention_overlay, explanation_panel
from lymphoscope.reports.plotting import BLUE, GREEN, ORANGE, PURPLE, drawable, styled
from lymphoscope.vocabulary import STREAMS

SHOWN_CELLS = 6
VOTE_CELLS = 60
FEWEST_EMBEDDED = 8
_SCORES = {
    "raw_score": "raw",
    "crop_score": "crop",
    "erase_score": "erase",
    "mean_score": "mean of the streams",
    "score": "that mean, calibrated",
}
_COLOURS = (GREEN, ORANGE, BLUE, PURPLE, "#56B4E9", "#E69F00", "#F0E442", "#000000")


def draw_streams(result: Result, request: Request, manifest: Manifest) -> Result:
    """Attention map, crop and erased image of some cells, and a contact sheet of all maps of the first.

    Raises LymphoscopeError for a model without attention.
    """
    model = load(request.model)
    explanations = _explain(model, spread_paths(manifest, SHOWN_CELLS))
    labels = _labels_by_path(manifest)
    panels = [
        _panel(each, labels, request.out, f"cell_{number}.png") for number, each in enumerate(explanations, start=1)
    ]
    save_figure(_contact_sheet(explanations[0], _all_maps(request.model, explanations[0])), request.out / "maps.png")
    count = model.description.architecture.num_maps
    caption = f"All {count} maps of the first cell, each scaled between its own minimum and maximum; yellow is highest."
    alt_text = "Contact sheet of the attention maps over the cell."
    sheet = ResultFigure(file="maps.png", caption=caption, alt_text=alt_text)
    return _with_model(result, model, request).model_copy(update={"figures": [*panels, sheet]})


def draw_vote(result: Result, request: Request, manifest: Manifest) -> Result:
    """The vote worked through on cells, those first on which the streams disagree: one row per cell.

    Raises LymphoscopeError for a model without attention.
    """
    model = load(request.model)
    table = model.predict(spread_paths(manifest, VOTE_CELLS))
    readable = table[table["predicted"].notna()].sort_values("agreement", kind="stable")
    chosen = list(readable["path"].head(SHOWN_CELLS - 2)) + list(readable["path"].tail(2))
    explanations = _explain(model, list(dict.fromkeys(chosen)))
    blast_class = model.description.blast_class or model.description.classes[0]
    labels = _labels_by_path(manifest)
    scores = _SCORES if model.description.calibration else {key: _SCORES[key] for key in list(_SCORES)[:-1]}
    disagreed = int((readable["agreement"] < 1).sum())
    update = {
        "figures": [
            _panel(each, labels, request.out, f"vote_{number}.png") for number, each in enumerate(explanations, start=1)
        ],
        "rows": [_vote_row(each.row, blast_class, labels.get(str(each.row["path"])), scores) for each in explanations],
        "columns": [Column(key=key, title=f"{blast_class}: {title}", digits=3) for key, title in scores.items()],
        "facts": [f"Of {len(readable)} cells, the streams disagree on {disagreed}; those come first."],
    }
    return _with_model(result, model, request).model_copy(update=update)


def draw_embedding(result: Result, request: Request, manifest: Manifest) -> Result:
    """openTSNE of the pixels of the cells, or of a model's features.

    Raises LymphoscopeError for fewer than eight readable labelled cells, or where openTSNE is not installed.
    """
    vectors, rows = _vectors(request, manifest.table[manifest.table["label"].notna()])
    if len(rows) < FEWEST_EMBEDDED:
        raise LymphoscopeError(
            f"only {len(rows)} labelled cells can be read: an embedding needs at least {FEWEST_EMBEDDED}"
        )
    perplexity = min(30.0, (len(rows) - 1) / 3)
    points = _embed(vectors, perplexity)
    save_figure(_scatter(points, rows["label"]), request.out / "plane.svg")
    embedded = f"features of {request.model}" if request.model else "pixels"
    caption = f"openTSNE of the {embedded}: {len(rows):,} cells, perplexity {perplexity:g}, seed 0. Axes have no unit."
    figure = ResultFigure(file="plane.svg", caption=caption, alt_text="One point per cell, coloured by label.")
    return result.model_copy(update={"figures": [figure], "facts": list(_neighbour_facts(points, rows))})


def spread_paths(manifest: Manifest, cells: int) -> list[str]:
    """Paths of some cells, balanced over the classes, evenly spaced over the rows."""
    table = manifest.table[manifest.table["label"].notna()]
    table = table if len(table) else manifest.table.assign(label="")
    groups = [group["path"].tolist() for _, group in table.groupby("label")]
    per_class = max(1, cells // len(groups))
    return [path for group in groups for path in group[:: max(1, len(group) // per_class)][:per_class]]


def _vote_row(row: Any, blast_class: str, label: str | None, scores: Iterable[str]) -> Row:
    numbers = {f"{stream}_score": _stream_number(row, stream, blast_class) for stream in STREAMS}
    used = [number.value for number in numbers.values() if number.value is not None]
    numbers |= {"mean_score": Number(value=fmean(used)), "score": Number(value=float(row[f"score_{blast_class}"]))}
    ours = {key: numbers[key] for key in scores}
    votes = ", ".join(f"{stream} {row[f'{stream}_vote']}" for stream in STREAMS if row.get(f"{stream}_vote"))
    labelled = f"; the label is {label}" if label else ""
    name = str(row["path"]).rpartition("/")[2]
    return Row(name=name, ours=ours, verdict=f"{votes}: the plurality is {row['predicted']}{labelled}")


def _stream_number(row: Any, stream: str, blast_class: str) -> Number:
    value = row.get(f"{stream}_{blast_class}")
    if value is None or np.isnan(value):
        return Number(value=None, reason="stream not used")
    return Number(value=float(value))


def _explain(model: Model, paths: Sequence[str]) -> list[Explanation]:
    explanations = [each for each in model.explain(paths) if each.streams is not None]
    if not explanations:
        raise LymphoscopeError("none of the chosen cells could be read: `lymphoscope data audit` says why")
    return explanations


def _labels_by_path(manifest: Manifest) -> dict[str, str]:
    table = manifest.table[manifest.table["label"].notna()]
    return dict(zip(table["path"], table["label"], strict=True))


def _panel(explanation: Explanation, labels: Mapping[str, str], folder: Path, name: str) -> ResultFigure:
    with written_beside(folder / name) as beside:
        beside.write_bytes(explanation_panel(explanation))
    path = str(explanation.row["path"])
    labelled = f", labelled {labels[path]}" if path in labels else ""
    caption = f"{path.rpartition('/')[2]}: predicted {explanation.row['predicted']}{labelled}."
    alt_text = "Raw cell with its box, attention, crop, erased image, and votes."
    return ResultFigure(file=name, caption=caption, alt_text=alt_text)


def _all_maps(folder: Path | None, explanation: Explanation) -> NDArray[np.float32]:
    """All maps of a cell (M, S, S), each normalised as in Eq. 2."""
    import torch

    from lymphoscope.method import normalize_maps
    from lymphoscope.model_file import load_network, resolve_model

    network, description = load_network(folder or resolve_model(None))
    assert explanation.streams is not None  # noqa: S101  # chosen so
    statistics = description.preprocessing
    pixels = torch.from_numpy(explanation.streams.raw).permute(2, 0, 1)[None].float() / 255  # (1, 3, S, S)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (statistics.mean, statistics.std))
    with torch.inference_mode():
        maps = network((pixels - mean) / std)[1][0]  # (M, h, w)
        side = pixels.shape[-1]
        enlarged: NDArray[np.float32] = normalize_maps(maps, (side, side)).numpy()
    return enlarged


@styled()
def _contact_sheet(explanation: Explanation, maps: NDArray[np.float32]) -> Figure:
    assert explanation.streams is not None  # noqa: S101  # chosen so
    columns = 8
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(10, 1.35 * rows), layout="constrained")
    for index, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).flat):
        axes.set_axis_off()
        if index < len(maps):
            axes.imshow(attention_overlay(explanation.streams.raw, maps[index]))
            axes.set_title(str(index + 1), fontsize=8, pad=2)
    return figure


def _vectors(request: Request, table: pd.DataFrame) -> tuple[NDArray[np.floating[Any]], pd.DataFrame]:
    """The vectors to embed (N, D), and the rows (N) of the cells that could be read."""
    preparation = load(request.model).description.preprocessing.preparation()
    images = [_read_prepared(path, preparation) for path in table["path"]]
    rows = table.iloc[[index for index, image in enumerate(images) if image is not None]]
    readable = [image for image in images if image is not None]
    if request.model is None:
        return np.stack([_thumbnail(image) for image in readable]) if readable else np.zeros((0, 1), np.float32), rows
    return _features(load(request.model), readable), rows


def _read_prepared(path: str, preparation: CellPreparation) -> NDArray[np.uint8] | None:
    try:
        return preparation.prepare(read_image(path))
    except (UnreadableImage, OSError):
        return None


def _thumbnail(image: NDArray[np.uint8], side: int = 32) -> NDArray[np.floating[Any]]:
    from PIL import Image

    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / 255


def _features(model: Model, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.floating[Any]]:
    parts = [model.runtime.predict(np.stack(images[at : at + 32])).features for at in range(0, len(images), 32)]
    return np.concatenate([part for part in parts if part is not None])


def _embed(vectors: NDArray[np.floating[Any]], perplexity: float) -> NDArray[np.float64]:
    """(N, D) -> (N, 2). Raises LymphoscopeError where openTSNE is not installed."""
    try:
        from openTSNE import TSNE
    except ImportError:
        raise LymphoscopeError("figure2 needs openTSNE: pip install 'lymphoscope[reproduce]'") from None
    from sklearn.decomposition import PCA

    reduced = PCA(min(50, *vectors.shape), random_state=0).fit_transform(vectors)
    return np.asarray(TSNE(perplexity=perplexity, initialization="pca", random_state=0, n_jobs=1).fit(reduced))


def _neighbour_facts(points: NDArray[np.float64], rows: pd.DataFrame, most: int = 10) -> Iterable[str]:
    """How often neighbours in the plane share label and subject, which is hard to see by eye."""
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, : min(most, len(rows) - 1)]
    for column in ("label", "subject"):
        names = rows[column].to_numpy(object)
        if rows[column].notna().all():
            shared = float((names[nearest] == names[:, None]).mean())
            counts = rows[column].value_counts().to_numpy()
            chance = float((counts * (counts - 1)).sum() / (len(rows) * (len(rows) - 1)))
            yield (
                f"Of the {nearest.shape[1]} nearest neighbours of a cell {100 * shared:.1f} % have its {column}; "
                f"of random cells {100 * chance:.1f} %. No interval: the plane is drawn from all cells at once."
            )


@styled()
def _scatter(points: NDArray[np.float64], labels: "pd.Series[str]") -> Figure:
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    axes = figure.subplots()
    names = labels.to_numpy(object)
    for name, colour in zip(sorted(set(names)), _COLOURS * (1 + len(set(names)) // len(_COLOURS)), strict=False):
        chosen = names == name
        title = f"{drawable(str(name))} ({int(chosen.sum()):,})"
        axes.scatter(points[chosen, 0], points[chosen, 1], s=16, color=colour, alpha=0.75, lw=0, label=title)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure


def _with_model(result: Result, model: Model, request: Request) -> Result:
    which = str(request.model) if request.model else "the model that ships"
    limits = f" {model.description.limits}" if model.description.limits else ""
    return result.model_copy(update={"protocol": [*result.protocol, f"The model is {which}.{limits}"]})
