"""The figures that look at cells: all in a plane, what the streams see, all maps of a cell, the vote worked through."""

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
from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.grid_experiment import experiment_cells
from lymphoscope.experiments.request import Request, data_words, limits_in_words
from lymphoscope.experiments.result import Column, Number, Picture, Result, Row
from lymphoscope.files import written_beside
from lymphoscope.inference import Explanation, Model, load
from lymphoscope.reports import attention_overlay, explanation_panel
from lymphoscope.reports.plotting import BLUE, GREEN, ORANGE, PURPLE, drawable, styled

SHOWN_CELLS = 6
_SCORES = {
    "raw_score": "raw",
    "crop_score": "crop",
    "erase_score": "erase",
    "mean_score": "mean of the streams",
    "score": "that mean, calibrated",
}
_COLOURS = (GREEN, ORANGE, BLUE, PURPLE, "#56B4E9", "#E69F00", "#F0E442", "#000000")


def run_figure(request: Request) -> Result:
    """Draw a figure of cells. Raises LymphoscopeError for no cells, and for a model without attention."""
    manifest = experiment_cells(request)
    definition = load_definition(request.name)
    base = Result(
        name=request.name,
        title=definition.title,
        claim=definition.claim,
        protocol=definition.protocol,
        limited=limits_in_words(request, definition, manifest),
        data=data_words(manifest),
    )
    draw = {"figure2": _plane, "figure3": _streams, "figure4": _streams, "figure5": _vote}[request.name]
    return draw(base, request, manifest)


def _streams(result: Result, request: Request, manifest: Manifest) -> Result:
    """Attention map, crop and erase of some cells, and the contact sheet of all maps of the first."""
    model = load(request.model)
    seen = _seen(model, spread_paths(manifest, SHOWN_CELLS))
    labels = _labels(manifest)
    pictures = [_panel(each, labels, request.out, f"cell_{place}.png") for place, each in enumerate(seen, start=1)]
    save_figure(_sheet(seen[0], _all_maps(request.model, seen[0])), request.out / "maps.png")
    count = model.description.architecture.num_maps
    caption = f"All {count} maps of the first cell, each between its own least and greatest value; yellow is most."
    sheet = Picture(file="maps.png", caption=caption, alternative="Contact sheet of the attention maps over the cell.")
    return _with_model(result, model, request).model_copy(update={"pictures": [*pictures, sheet]})


def _vote(result: Result, request: Request, manifest: Manifest) -> Result:
    """Cells on which the streams disagree first, then others; a row each with the streams' scores and votes."""
    model = load(request.model)
    table = model.predict(spread_paths(manifest, 60))
    readable = table[table["predicted"].notna()].sort_values("agreement", kind="stable")
    chosen = list(readable["path"].head(SHOWN_CELLS - 2)) + list(readable["path"].tail(2))
    seen = _seen(model, list(dict.fromkeys(chosen)))
    blast = model.description.blast_class or model.description.classes[0]
    labels = _labels(manifest)
    pictures = [_panel(each, labels, request.out, f"vote_{place}.png") for place, each in enumerate(seen, start=1)]
    scores = _SCORES if model.description.calibration else {key: _SCORES[key] for key in list(_SCORES)[:-1]}
    rows = [_vote_row(each.row, blast, labels.get(str(each.row["path"])), scores) for each in seen]
    disagreed = int((readable["agreement"] < 1).sum())
    fact = f"Of {len(readable)} cells looked at, the streams disagreed on {disagreed}; those come first."
    columns = [Column(key=key, title=f"{blast}: {title}", digits=3) for key, title in scores.items()]
    updated = {"pictures": pictures, "rows": rows, "columns": columns, "facts": [fact]}
    return _with_model(result, model, request).model_copy(update=updated)


def _vote_row(row: Any, blast: str, labelled: str | None, scores: Iterable[str]) -> Row:
    streams = ("raw", "crop", "erase")
    found = {f"{stream}_score": _stream_number(row, stream, blast) for stream in streams}
    used = [number.value for number in found.values() if number.value is not None]
    found |= {"mean_score": Number(value=fmean(used)), "score": Number(value=float(row[f"score_{blast}"]))}
    ours = {key: found[key] for key in scores}
    votes = ", ".join(f"{stream} {row[f'{stream}_vote']}" for stream in streams if row.get(f"{stream}_vote"))
    label = f"; the label is {labelled}" if labelled else ""
    name = str(row["path"]).rpartition("/")[2]
    return Row(name=name, ours=ours, verdict=f"{votes}: the plurality is {row['predicted']}{label}")


def _stream_number(row: Any, stream: str, blast: str) -> Number:
    value = row.get(f"{stream}_{blast}")
    if value is None or np.isnan(value):
        return Number(value=None, reason="stream not used")
    return Number(value=float(value))


def spread_paths(manifest: Manifest, cells: int) -> list[str]:
    """Some cells, as many of each class as there are, evenly over its rows."""
    table = manifest.table[manifest.table["label"].notna()]
    table = table if len(table) else manifest.table.assign(label="")
    groups = [group["path"].tolist() for _, group in table.groupby("label")]
    each = max(1, cells // len(groups))
    return [path for group in groups for path in group[:: max(1, len(group) // each)][:each]]


def _seen(model: Model, paths: Sequence[str]) -> list[Explanation]:
    seen = [each for each in model.explain(paths) if each.streams is not None]
    if not seen:
        raise LymphoscopeError("none of the chosen cells could be read: `lymphoscope data audit` says why")
    return seen


def _labels(manifest: Manifest) -> dict[str, str]:
    """Path -> label, of the cells that have one."""
    table = manifest.table[manifest.table["label"].notna()]
    return dict(zip(table["path"], table["label"], strict=True))


def _panel(seen: Explanation, labels: Mapping[str, str], folder: Path, name: str) -> Picture:
    with written_beside(folder / name) as beside:
        beside.write_bytes(explanation_panel(seen))
    row = seen.row
    label = labels.get(str(row["path"]))
    caption = (
        f"{str(row['path']).rpartition('/')[2]}: called {row['predicted']}{f', labelled {label}' if label else ''}."
    )
    return Picture(file=name, caption=caption, alternative="Raw cell with its box, attention, crop, erased, and votes.")


def _all_maps(folder: Path | None, seen: Explanation) -> NDArray[np.float32]:
    """All maps of a cell (M, S, S), each normalised as Eq. 2 has it."""
    import torch

    from lymphoscope.method import normalize_maps
    from lymphoscope.model_file import demonstration_model, load_network

    network, description = load_network(folder or demonstration_model())
    assert seen.streams is not None  # noqa: S101  # chosen so
    statistics = description.preprocessing
    pixels = torch.from_numpy(seen.streams.raw).permute(2, 0, 1)[None].float() / 255  # (1, 3, S, S)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (statistics.mean, statistics.std))
    with torch.inference_mode():
        maps = network((pixels - mean) / std)[1][0]  # (M, h, w)
        side = pixels.shape[-1]
        stretched: NDArray[np.float32] = normalize_maps(maps, (side, side)).numpy()
    return stretched


@styled()
def _sheet(seen: Explanation, maps: NDArray[np.float32]) -> Figure:
    assert seen.streams is not None  # noqa: S101  # chosen so
    across = 8
    down = -(-len(maps) // across)
    figure = Figure(figsize=(10, 1.35 * down), layout="constrained")
    for place, axes in enumerate(np.atleast_1d(figure.subplots(down, across)).flat):
        axes.set_axis_off()
        if place < len(maps):
            axes.imshow(attention_overlay(seen.streams.raw, maps[place]))
            axes.set_title(str(place + 1), fontsize=8, pad=2)
    return figure


def _plane(result: Result, request: Request, manifest: Manifest) -> Result:
    """openTSNE of pixels, or of a model's features."""
    table = manifest.table[manifest.table["label"].notna()]
    vectors, rows = _vectors(request, table)
    if len(rows) < 8:
        raise LymphoscopeError(f"{len(rows)} readable labelled cells: a plane takes eight or more")
    perplexity = min(30.0, (len(rows) - 1) / 3)
    places = _embedded(vectors, perplexity)
    save_figure(_scatter(places, rows["label"]), request.out / "plane.svg")
    of = f"features of {request.model}" if request.model else "pixels"
    caption = f"openTSNE of the {of}: {len(rows):,} cells, perplexity {perplexity:g}, seed 0. Axes have no unit."
    picture = Picture(file="plane.svg", caption=caption, alternative="A point a cell, coloured by label.")
    return result.model_copy(update={"pictures": [picture], "facts": list(_neighbour_facts(places, rows))})


def _vectors(request: Request, table: pd.DataFrame) -> tuple[NDArray[np.floating[Any]], pd.DataFrame]:
    """What is embedded (N, D), and the rows (N) of the cells that could be read."""
    described = load(request.model).description.preprocessing
    preparation = described.preparation()
    found = [(_prepared(path, preparation), place) for place, path in enumerate(table["path"])]
    known = [(pixels, place) for pixels, place in found if pixels is not None]
    rows = table.iloc[[place for _, place in known]]
    if request.model is None:
        return np.stack([_small(pixels) for pixels, _ in known]) if known else np.zeros((0, 1), np.float32), rows
    return _features(load(request.model), [pixels for pixels, _ in known]), rows


def _prepared(path: str, preparation: CellPreparation) -> NDArray[np.uint8] | None:
    try:
        return preparation.prepare(read_image(path))
    except (UnreadableImage, OSError):
        return None


def _small(pixels: NDArray[np.uint8], side: int = 32) -> NDArray[np.floating[Any]]:
    from PIL import Image

    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / 255


def _features(model: Model, cells: Sequence[NDArray[np.uint8]]) -> NDArray[np.floating[Any]]:
    parts = [model.runtime.predict(np.stack(cells[start : start + 32])).features for start in range(0, len(cells), 32)]
    return np.concatenate([part for part in parts if part is not None])


def _embedded(vectors: NDArray[np.floating[Any]], perplexity: float) -> NDArray[np.float64]:
    """(N, D) -> (N, 2). Raises LymphoscopeError where openTSNE is not installed."""
    try:
        from openTSNE import TSNE
    except ImportError:
        raise LymphoscopeError("figure2 needs openTSNE: pip install 'lymphoscope[reproduce]'") from None
    from sklearn.decomposition import PCA

    reduced = PCA(min(50, *vectors.shape), random_state=0).fit_transform(vectors)
    return np.asarray(TSNE(perplexity=perplexity, initialization="pca", random_state=0, n_jobs=1).fit(reduced))


def _neighbour_facts(places: NDArray[np.float64], rows: pd.DataFrame, most: int = 10) -> Iterable[str]:
    """How far label and subject are shared by neighbours in the plane, which the eye judges badly."""
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argsort(axis=1)[:, : min(most, len(rows) - 1)]
    for column, word in (("label", "label"), ("subject", "subject")):
        names = rows[column].to_numpy(object)
        if rows[column].notna().all():
            shared = float((names[nearest] == names[:, None]).mean())
            counts = rows[column].value_counts().to_numpy()
            chance = float((counts * (counts - 1)).sum() / (len(rows) * (len(rows) - 1)))
            yield (
                f"Of the {nearest.shape[1]} nearest neighbours of a cell {100 * shared:.1f} % have its {word}; "
                f"of cells at random {100 * chance:.1f} %. No interval: the plane is drawn from all cells at once."
            )


@styled()
def _scatter(places: NDArray[np.float64], labels: "pd.Series[str]") -> Figure:
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    axes = figure.subplots()
    names = labels.to_numpy(object)
    for name, colour in zip(sorted(set(names)), _COLOURS * (1 + len(set(names)) // len(_COLOURS)), strict=False):
        chosen = names == name
        title = f"{drawable(str(name))} ({int(chosen.sum()):,})"
        axes.scatter(places[chosen, 0], places[chosen, 1], s=16, color=colour, alpha=0.75, lw=0, label=title)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure


def _with_model(result: Result, model: Model, request: Request) -> Result:
    which = str(request.model) if request.model else "the demonstration model that ships"
    limits = f" {model.description.limits}" if model.description.limits else ""
    fact = f"The model is {which}.{limits}"
    return result.model_copy(update={"protocol": [*result.protocol, fact]})
