"""Train a detector on box files and write its folder (needs [train])."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.detection.box_files import read_boxes
from lymphoscope.smear.detection.center_network import CenterNetwork, export_network
from lymphoscope.smear.detection.center_training import train_center_network
from lymphoscope.smear.detection.detector_file import FORMAT_VERSION, DetectorDescription
from lymphoscope.smear.detection.training_fields import (
    choose_images,
    images_without_cells,
    load_cut_outs,
    load_training_fields,
    without_sources,
)
from lymphoscope.smear.detection.training_samples import SCALES
from lymphoscope.smear.detection.working_scale import WORKING_SCALE
from lymphoscope.version import __version__

THRESHOLD = 0.25
"""Score from which a peak is a cell."""


def train_detector(
    boxes: Path,
    out: Path,
    *,
    classes: Iterable[str] | None = None,
    cells: Sequence[Path] = (),
    start: Path | None = None,
    microns_per_pixel: float | None = None,
    per_source: int | None = None,
    without: Path | None = None,
    leave_out: Sequence[str] = (),
    steps: int = 600,
    seed: int = 0,
    scales: tuple[float, float] = SCALES,
    report: Callable[[str], None] = lambda *_: None,
) -> None:
    """Train on the boxes of a file or folder and write detector.json, detector.onnx and detector.safetensors to `out`.

    `cells` are folders of cells on black to paste, each used equally often; `without` is a folder of images without
    white cells; at most `per_source` images of each source are used, and none of the sources `leave_out`. Fields are
    resized by a factor between `scales`, in relation to the working scale.

    Raises LymphoscopeError if the boxes cannot be read, if none remain, if `scales` are no range, or if `out` is not
    empty.
    """
    if not 0 < scales[0] <= scales[1]:
        raise LymphoscopeError(f"--scale {scales[0]:g} {scales[1]:g}: give the lower factor first, and both above 0")
    if out.exists() and any(out.iterdir()):
        raise LymphoscopeError(f"{out}: not empty; choose another --out")
    empty = [] if without is None else images_without_cells(without)
    chosen = choose_images(without_sources(read_boxes(boxes, classes), leave_out, boxes), per_source, empty)
    fields = load_training_fields(chosen, microns_per_pixel, report)
    cut_outs = load_cut_outs(cells)
    network = train_center_network(
        list(fields.values()),
        cut_outs,
        steps=steps,
        seed=seed,
        scales=scales,
        start=None if start is None else read_head(start),
        report=lambda step, loss: report(f"step {step} of {steps}: loss {loss:.3f}"),
    )
    counts = {source: len(images) for source, images in fields.items()}
    write_detector(network, out, out.resolve().name, counts, steps)


def write_detector(network: CenterNetwork, out: Path, name: str, trained_on: dict[str, int], steps: int) -> None:
    """Write the folder of a detector. The weights of the head are kept, so that training can continue."""
    out.mkdir(parents=True, exist_ok=True)
    export_network(network, out / "detector.onnx")
    head = {key: value.contiguous() for key, value in network.state_dict().items() if not key.startswith("features.")}
    save_file(head, out / "detector.safetensors")
    description = DetectorDescription(
        format_version=FORMAT_VERSION,
        name=name,
        kind="center_points",
        threshold=THRESHOLD,
        microns_per_pixel=WORKING_SCALE,
        trained_on=trained_on,
        steps=steps,
        software=__version__,
    )
    (out / "detector.json").write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_head(folder: Path) -> dict[str, object]:
    """Read the weights of the head of a trained detector. Raises LymphoscopeError if there are none."""
    file = folder / "detector.safetensors"
    if not file.is_file():
        raise LymphoscopeError(f"{folder}: no detector.safetensors to start from")
    return dict(load_file(file))
