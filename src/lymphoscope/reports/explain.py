"""One cell explained in one picture."""

import io
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import CellPictures, Explanation
from lymphoscope.reports.contents import stream_probabilities
from lymphoscope.reports.overlay import attention_overlay
from lymphoscope.reports.plotting import BLUE, GREY, INK, ORANGE, PALE, drawable, styled

_MOST_CLASSES = 4
_DPI = 110
_WIDEST = 46
"""Letters of a line below the attention map."""


@styled()
def explanation_panel(seen: Explanation) -> bytes:
    """A cell as a PNG: raw with its box, attention, crop and erase; below each what that stream says, and the vote.

    Raises LymphoscopeError for a cell that could not be read.
    """
    if seen.pictures is None:
        raise LymphoscopeError(f"{seen.row['path']}: no picture to explain, {seen.row.get('error')}")
    figure = Figure(figsize=(11, 4.5), layout=ConstrainedLayoutEngine(h_pad=0.08))
    grid = figure.subplots(2, 4, height_ratios=[3.4, 1])
    _draw_pictures(grid[0], seen.pictures)
    by_stream = stream_probabilities(seen.row)
    for axes, stream in zip((grid[1][0], grid[1][2], grid[1][3]), ("raw", "crop", "erase"), strict=True):
        _draw_bars(axes, by_stream.get(stream), str(seen.row["predicted"]))
    _write_answer(grid[1][1], seen)
    figure.suptitle(
        drawable(str(seen.row["path"]).rpartition("/")[2], 90), fontsize=11, x=0.01, ha="left", weight="bold"
    )
    figure.supxlabel("Research software, not a medical device.", fontsize=8, color=GREY, x=0.01, ha="left")
    stream_of_bytes = io.BytesIO()
    figure.savefig(stream_of_bytes, format="png", dpi=_DPI)
    return stream_of_bytes.getvalue()


def _draw_pictures(row: "list[Axes]", pictures: CellPictures) -> None:
    shown = {
        "raw, and the box of the crop": pictures.raw,
        "attention (yellow: most)": attention_overlay(pictures.raw, pictures.attention),
        "crop": pictures.crop,
        "erase": pictures.erase,
    }
    for axes, (title, pixels) in zip(row, shown.items(), strict=True):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    top, left, bottom, right = pictures.box
    # Pixel centres are whole numbers: the edge of the first pixel lies half a pixel before it.
    place = (left - 0.5, top - 0.5)
    row[0].add_patch(Rectangle(place, right - left, bottom - top, fill=False, ec=ORANGE, lw=2))


def _draw_bars(axes: Axes, by_class: dict[str, float] | None, called: str) -> None:
    axes.set_axis_off()
    if by_class is None:
        axes.text(0.5, 0.5, "this stream was not run", ha="center", va="center", color=GREY, fontsize=9)
        return
    highest = sorted(by_class, key=lambda name: -by_class[name])[:_MOST_CLASSES]
    axes.set(xlim=(-0.75, 1.25), ylim=(max(len(highest), 3) - 0.4, -0.6))
    for place, name in enumerate(highest):
        axes.barh(place, 1, height=0.6, color=PALE)
        axes.barh(place, by_class[name], height=0.6, color=BLUE if name == called else GREY)
        axes.text(-0.04, place, drawable(name, 12), ha="right", va="center", fontsize=9)
        axes.text(1.04, place, f"{by_class[name]:.2f}", ha="left", va="center", fontsize=9)


def _write_answer(axes: Axes, seen: Explanation) -> None:
    row = seen.row
    axes.set_axis_off()
    called = str(row["predicted"])
    agreement = row.get("agreement")
    lines = [f"score {row[f'score_{called}']:.2f}", f"agreement of the streams {agreement:.2f}"]
    if row.get("refer"):
        lines += textwrap.wrap(f"a person must look: {row.get('refer_reason')}", _WIDEST, max_lines=3, placeholder=" …")
    answer = axes.text(0.5, 0.95, f"answer: {drawable(called)}", ha="center", va="top", fontsize=13, color=INK)
    words = axes.text(0.5, 0.6, "\n".join(lines), ha="center", va="top", fontsize=8.5, color=GREY)
    for text in (answer, words):
        text.set_in_layout(False)  # long words would take the pictures' room
