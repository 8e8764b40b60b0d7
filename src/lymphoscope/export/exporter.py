"""A model folder -> a file of its network, or of the whole algorithm, for a runtime; accepted only if it agrees."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lymphoscope.errors import LymphoscopeError
from lymphoscope.export.feature_reference import check_reference_cells, measure_feature_reference
from lymphoscope.export.parity import check_parity, graph_outputs, measure_parity, outputs_in_batches, reference_outputs
from lymphoscope.export.quantize import quantize_onnx, quantize_openvino, write_openvino
from lymphoscope.export.sample_cells import SampleCells
from lymphoscope.extras import require
from lymphoscope.files import sha256_of
from lymphoscope.inference import TernaryRuntime
from lymphoscope.inference.backends import RuntimeInfo, export_runtimes, find_runtime
from lymphoscope.inference.backends.registry import ExportFormat, OpenOptions
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description, Export, load_description, record_exports
from lymphoscope.referral import OodReference
from lymphoscope.vocabulary import Precision

GraphName = Literal["network", "algorithm1"]

CALIBRATION_CELLS = 300
"""int8: the largest number of cells that show the range of values."""
MIN_LABEL_AGREEMENT = 0.99
"""bfloat16 and int8: the smallest share of labels that must equal those of float32, by default."""


@dataclass(frozen=True)
class _Task:
    """What is exported: for which runtime, in which precision, and which graph."""

    runtime: RuntimeInfo
    format: ExportFormat
    precision: Precision
    graph: GraphName

    @property
    def file_name(self) -> str:
        # bfloat16 is computed from a file of floats. That file takes uint8 cells, so it is not the float32 one.
        precision = "" if self.precision == "float32" else f".{self.precision}"
        return f"{self.graph}{precision}{self.format.suffix}"

    @property
    def options(self) -> OpenOptions:
        return OpenOptions(precision=self.precision)

    @property
    def libraries(self) -> list[str]:
        return ["torch", self.runtime.module, *(["nncf"] if self.precision == "int8" else [])]

    def files(self, network: Path) -> list[Path]:
        """Return the files written for a network, the one to open first."""
        return [network, *(network.with_suffix(suffix) for suffix in self.format.companion_suffixes)]

    def replaces(self, export: Export) -> bool:
        """Return whether an older export is of the same runtime, precision and graph."""
        key = (self.runtime.name, self.precision, self.graph)
        return (export.runtime, export.precision, export.graph) == key


def export_model(
    folder: Path,
    runtime: str,
    cells: SampleCells,
    *,
    precision: Precision = "float32",
    whole: bool = False,
    calibration: SampleCells | None = None,
    min_label_agreement: float = MIN_LABEL_AGREEMENT,
) -> Export:
    """Write the model of `folder` for a runtime, compare it with torch float32 on `cells`, and record it there.

    `whole` writes Algorithm 1 as one graph instead of the network. int8 needs `calibration` cells. If the model finds
    unusual cells by their features, so does bfloat16, and the cells need labels: rounding moves the features, and what
    the training cells look like is measured on them with the exported network.
    Raises LymphoscopeError if the outputs differ by more than the bound (then the new files are removed and an older
    export stays), for a runtime or precision that cannot be exported, and for cells as `check_reference_cells` does.
    """
    task = _task(runtime, precision, whole, calibration)
    description = load_description(folder)
    measured = _measured_cells(description, task, calibration)
    with TemporaryDirectory(prefix=".export-", dir=folder) as temporary:
        network = Path(temporary) / task.file_name
        _write(folder, network, task, calibration)
        outputs = _outputs(description, network, task, cells)
        parity = measure_parity(outputs, reference_outputs(folder, cells.pixels), cells.source)
        check_parity(parity, precision, min_label_agreement)
        features = measured and measure_feature_reference(_runtime(description, network, task), *measured)
        export = Export(
            runtime=task.runtime.name,
            precision=precision,
            graph=task.graph,
            files={path.name: sha256_of(path) for path in task.files(network)},
            weights_sha256=description.weights_sha256,
            accepted=1.0 if precision == "float32" else min_label_agreement,
            parity=parity,
            features=features,
            versions={name: version(name) for name in task.libraries},
        )
        for path in task.files(network):
            path.replace(folder / path.name)
    kept = [old for old in description.exports if not task.replaces(old)]
    return record_exports(folder, [*kept, export]).exports[-1]


def _task(name: str, precision: Precision, whole: bool, calibration: SampleCells | None) -> _Task:
    if name not in (names := [one.name for one in export_runtimes()]):
        raise LymphoscopeError(f"no runtime {name!r} to export for: --to takes {', '.join(names)}")
    runtime = find_runtime(name)
    if precision == "int8" and calibration is None:
        raise LymphoscopeError("int8 needs cells that show the range of values: --calibration SRC")
    if precision not in runtime.precisions:
        others = [one.name for one in export_runtimes() if precision in one.precisions]
        raise LymphoscopeError(f"{runtime.title} does not compute {precision} on a CPU: use --to {' or '.join(others)}")
    if whole and precision == "int8":
        raise LymphoscopeError("Algorithm 1 as one graph is written in floats: leave out --whole or --int8")
    if runtime.extra:
        require(runtime.extra, f"--to {runtime.name}")
    if precision == "int8":
        require("openvino", "int8")
    assert runtime.export is not None  # noqa: S101 - it is one of export_runtimes()
    return _Task(runtime, runtime.export, precision, "algorithm1" if whole else "network")


def _measured_cells(
    description: Description, task: _Task, calibration: SampleCells | None
) -> tuple[SampleCells, OodReference] | None:
    """Return the cells to measure an OOD reference on, and the model's own; None where none is to be measured."""
    reference = description.referral.ood_reference
    rounds = task.precision != "float32" and task.graph == "network"
    if not rounds or reference is None or reference.feature_distance is None:
        return None
    if calibration is None:
        raise LymphoscopeError(
            f"{task.precision} needs cells that show what the training cells look like to this network: "
            "--calibration SRC"
        )
    check_reference_cells(calibration, description, reference)
    return calibration, reference


def _write(folder: Path, out: Path, task: _Task, calibration: SampleCells | None) -> None:
    from lymphoscope.export.graphs import write_onnx  # imports torch

    pixels = None if calibration is None else calibration.evenly_spaced(CALIBRATION_CELLS).pixels
    takes_floats = task.precision == "float32" and task.graph == "network"
    with TemporaryDirectory() as temporary:
        onnx, quantized = Path(temporary) / "floats.onnx", Path(temporary) / "int8.onnx"
        write_onnx(folder, onnx, graph=task.graph, dtype="float32" if takes_floats else "uint8")
        if task.precision != "int8" or pixels is None:
            task.format.convert(onnx, out)
        elif task.format.quantizes == "openvino":
            write_openvino(quantize_openvino(onnx, pixels), out)
        else:
            quantize_onnx(onnx, pixels, quantized)
            task.format.convert(quantized, out)


def _outputs(description: Description, network: Path, task: _Task, cells: SampleCells) -> StreamOutputs:
    """Return the outputs of an exported file for cells."""
    if task.graph == "algorithm1":
        return graph_outputs(task.format.open_graph(network, task.options), cells.pixels)
    return outputs_in_batches(_runtime(description, network, task), cells.pixels)


def _runtime(description: Description, network: Path, task: _Task) -> TernaryRuntime:
    return TernaryRuntime(task.runtime.open(network, description, task.options))
