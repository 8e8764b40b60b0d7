"""OpenVINO, from the files that `lymphoscope export --to openvino` writes. It is imported when a model opens."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lymphoscope.inference.backends.registry import (
    ExportFormat,
    OpenOptions,
    RunGraph,
    RuntimeInfo,
    default_threads,
)

if TYPE_CHECKING:
    from lymphoscope.inference.backends.protocol import NetworkRuntime
    from lymphoscope.model_file import Description

# By itself OpenVINO computes bfloat16 where the processor has it. What an int8 network leaves in floats stays float32.
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
DTYPES = {"u8": "uint8", "f32": "float32"}


def open_network(network: Path, description: "Description", options: OpenOptions) -> "NetworkRuntime":
    """Open the .xml file of an export and compute in the precision of the options."""
    from lymphoscope.inference.backends.array_backend import ArrayBackend
    from lymphoscope.inference.backends.protocol import NETWORK_OUTPUTS

    threads = options.threads or default_threads()
    compiled = _compile(network, options.precision, threads)
    requests = _RequestPerThread(compiled)

    def run(images: Any) -> Sequence[Any]:
        outputs = requests.infer(images, share_inputs=True)
        return [outputs[name] for name in NETWORK_OUTPUTS]

    return ArrayBackend(
        description,
        run,
        DTYPES[compiled.input(0).element_type.get_type_name()],
        {"runtime": "openvino", "device": "cpu", "precision": options.precision},
        threads,
    )


def open_graph(graph: Path, options: OpenOptions) -> RunGraph:
    """Open any exported graph."""
    compiled = _compile(graph, options.precision, options.threads or default_threads())
    requests = _RequestPerThread(compiled)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(pixels: Any) -> dict[str, Any]:
        outputs = requests.infer(pixels)
        return {name: outputs[name] for name in names}

    return run


class _RequestPerThread(threading.local):
    """One inference request per thread: a request that is running refuses a second call."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()

    def infer(self, images: Any, **options: Any) -> Any:
        return self._request.infer([images], **options)


def _compile(network: Path, precision: str, threads: int) -> Any:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    return openvino.Core().compile_model(str(network), "CPU", settings)


def _convert(onnx: Path, out: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(str(onnx)), str(out), compress_to_fp16=False)


RUNTIME = RuntimeInfo(
    name="openvino",
    title="OpenVINO",
    module="openvino",
    extra="openvino",
    precisions=("float32", "bfloat16", "int8"),
    devices=("cpu",),
    priority=30,
    open=open_network,
    export=ExportFormat(
        suffix=".xml",
        convert=_convert,
        open_graph=open_graph,
        companion_suffixes=(".bin",),
        quantizes="openvino",
    ),
)
