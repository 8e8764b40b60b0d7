"""ONNX Runtime, from the file that `lymphoscope export --to onnx` writes. It is imported when a model opens."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lymphoscope.inference.backends.registry import (
    ExportFormat,
    OpenOptions,
    RunGraph,
    RuntimeInfo,
    default_threads,
)
from lymphoscope.processor import sums_bytes_in_32_bits

if TYPE_CHECKING:
    from lymphoscope.inference.backends.protocol import NetworkRuntime
    from lymphoscope.model_file import Description

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


def open_network(network: Path, description: "Description", options: OpenOptions) -> "NetworkRuntime":
    """Open the .onnx file of an export, which computes in the precision that it was written in."""
    from lymphoscope.inference.backends.array_backend import ArrayBackend
    from lymphoscope.inference.backends.protocol import NETWORK_OUTPUTS

    threads = options.threads or default_threads()
    session = open_session(network, threads)
    return ArrayBackend(
        description,
        lambda images: session.run(NETWORK_OUTPUTS, {"images": images}),
        DTYPES[session.get_inputs()[0].type],
        {"runtime": "onnx", "device": "cpu", "precision": options.precision},
        threads,
    )


def open_graph(graph: Path, options: OpenOptions) -> RunGraph:
    """Open any exported graph."""
    session = open_session(graph, options.threads or default_threads())
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: dict(zip(names, session.run(names, {"images": pixels}), strict=True))


def open_session(network: Path | bytes, threads: int) -> Any:
    """Open an ONNX file, or its content, on the CPU. int8 gives the same numbers on every processor."""
    import onnxruntime

    source = network if isinstance(network, bytes) else str(network)
    return onnxruntime.InferenceSession(source, _session_options(threads), providers=["CPUExecutionProvider"])


def _session_options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait would take the processor from the threads that decode the next cells.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not sums_bytes_in_32_bits():
        # The default kernels of int8 would overflow at 16 bits; these are slower and give the same numbers everywhere.
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    return options


def _convert(onnx: Path, out: Path) -> None:
    if onnx != out:
        shutil.copyfile(onnx, out)


RUNTIME = RuntimeInfo(
    name="onnx",
    title="ONNX Runtime",
    module="onnxruntime",
    extra=None,
    precisions=("float32", "int8"),
    devices=("cpu",),
    priority=20,
    open=open_network,
    export=ExportFormat(suffix=".onnx", convert=_convert, open_graph=open_graph, quantizes="onnx"),
)
