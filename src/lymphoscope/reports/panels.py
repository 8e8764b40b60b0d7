"""One cell explained in one image, and such images as files."""

import io
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.inference import CellStreams, Explanation, Row
from lymphoscope.reports.contents import PredictedCell
from lymphoscope.reports.plotting import BLUE, GREY, INK, ORANGE, PALE, attention_overlay, drawable, styled
from lymphoscope.vocabulary import class_title

Title = Callable[[str], str]
"""The name of a class -> the class in words."""

_MOST_CLASSES = 4
_DPI = 110
_LINE_LENGTH = 46
"""Characters per line below the attention map."""
_LONGEST_NAME = 60


@styled()
def explanation_panel(explanation: Explanation, title: Title = class_title) -> bytes:
    """Draw a cell as a PNG: raw with the crop box, attention, crop and erase, with each stream's scores below.

    `title` gives a class in words, as Description.title does.
    Raises LymphoscopeError for a cell that could not be read.
    """
    row = explanation.row
    if explanation.streams is None:
        raise LymphoscopeError(f"{row['path']}: no image to explain, {row.get('error')}")
    figure = Figure(figsize=(11, 4.5), layout=ConstrainedLayoutEngine(h_pad=0.08))
    grid = figure.subplots(2, 4, height_ratios=[3.4, 1])
    _draw_images(grid[0], explanation.streams)
    cell = PredictedCell.of_row(row)
    for axes, stream in zip((grid[1][0], grid[1][2], grid[1][3]), ("raw", "crop", "erase"), strict=True):
        _draw_bars(axes, cell.streams.get(stream), cell.predicted, title)
    _write_prediction(grid[1][1], cell, title)
    file = drawable(cell.path.rpartition("/")[2], 90)
    figure.suptitle(file, fontsize=11, x=0.01, ha="left", weight="bold")
    figure.supxlabel("Research software, not a medical device.", fontsize=8, color=GREY, x=0.01, ha="left")
    stream_of_bytes = io.BytesIO()
    figure.savefig(stream_of_bytes, format="png", dpi=_DPI)
    return stream_of_bytes.getvalue()


def write_panels(
    explanations: Iterable[Explanation], names: Sequence[str], folder: Path, title: Title = class_title
) -> Iterator[Row]:
    """Draw each explanation into `folder`; yield its prediction row with `picture`, None for an unreadable cell."""
    for explanation, name in zip(explanations, names, strict=True):
        if explanation.streams is None:
            yield {**explanation.row, "picture": None}
            continue
        with written_beside(folder / name) as beside:
            beside.write_bytes(explanation_panel(explanation, title))
        yield {**explanation.row, "picture": name}


def panel_names(paths: Sequence[str]) -> list[str]:
    """A unique file name for the panel of each cell, made from the cell's file name; a number is added if it is taken.

    Names that differ only in case count as equal, because some file systems do not distinguish them.
    """
    names: list[str] = []
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for path in paths:
        stem = name = Path(path).stem[:_LONGEST_NAME]
        while name.casefold() in taken:
            counts[stem.casefold()] += 1
            name = f"{stem}-{counts[stem.casefold()] + 1}"
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names


def _draw_images(row: "list[Axes]", streams: CellStreams) -> None:
    images = {
        "raw, with the crop box": streams.raw,
        "attention (yellow: most)": attention_overlay(streams.raw, streams.attention),
        "crop": streams.crop,
        "erase": streams.erase,
    }
    for axes, (title, pixels) in zip(row, images.items(), strict=True):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    top, left, bottom, right = streams.box
    # Pixel centres are whole numbers, so the edge of the first pixel lies half a pixel before it.
    corner = (left - 0.5, top - 0.5)
    row[0].add_patch(Rectangle(corner, right - left, bottom - top, fill=False, ec=ORANGE, lw=2))


def _draw_bars(axes: Axes, by_class: dict[str, float] | None, predicted: str, title: Title) -> None:
    axes.set_axis_off()
    if by_class is None:
        axes.text(0.5, 0.5, "this stream was not run", ha="center", va="center", color=GREY, fontsize=9)
        return
    highest = sorted(by_class, key=lambda name: -by_class[name])[:_MOST_CLASSES]
    axes.set(xlim=(-0.75, 1.25), ylim=(max(len(highest), 3) - 0.4, -0.6))
    for y, name in enumerate(highest):
        axes.barh(y, 1, height=0.6, color=PALE)
        axes.barh(y, by_class[name], height=0.6, color=BLUE if name == predicted else GREY)
        axes.text(-0.04, y, drawable(title(name), 12), ha="right", va="center", fontsize=9)
        axes.text(1.04, y, f"{by_class[name]:.2f}", ha="left", va="center", fontsize=9)


def _write_prediction(axes: Axes, cell: PredictedCell, title: Title) -> None:
    axes.set_axis_off()
    words = title(cell.predicted)
    name = cell.predicted if words.casefold() == cell.predicted.casefold() else f"{cell.predicted} ({words})"
    lines = [f"score {cell.score:.2f}"]
    lines += [] if cell.agreement is None else [f"agreement of the streams {cell.agreement:.2f}"]
    if cell.refer:
        reason = f"referred to a person: {cell.refer_reason}"
        lines += textwrap.wrap(reason, _LINE_LENGTH, max_lines=3, placeholder=" \u2026")
    answer = axes.text(0.5, 0.95, f"prediction: {drawable(name)}", ha="center", va="top", fontsize=13, color=INK)
    details = axes.text(0.5, 0.6, "\n".join(lines), ha="center", va="top", fontsize=8.5, color=GREY)
    for text in (answer, details):
        text.set_in_layout(False)  # a long text would make the images smaller
