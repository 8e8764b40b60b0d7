"""A name -> the runtime: the one that was asked for, or the fastest that is installed and that the model holds."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.protocol import NetworkRuntime
from lymphoscope.model_file import Description, Export, export_files, load_description

FASTEST_FIRST = ("openvino", "onnx", "torch")
PRECISIONS = ("float32", "bfloat16", "int8")
MODULES = {"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch"}
EXTRAS = {"openvino": "lymphoscope[openvino]", "onnx": "lymphoscope", "torch": "lymphoscope[train]"}
NVIDIA = Path("/proc/driver/nvidia/version")
"""There where the driver is; asking torch would take its four seconds of import."""


def open_network(
    folder: Path,
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    compile: bool = False,
) -> NetworkRuntime:
    """Open a model on a runtime: torch, onnx, openvino, or auto, which says on standard error what it took.

    auto stays with torch where a device other than the CPU is asked for or there to be had, and where torch is to
    compile. Raises LymphoscopeError for a name that is none, a runtime that is not installed, one that the model
    holds no file for, and as the runtimes do.
    """
    _check_names(runtime, precision)
    description = load_description(folder)
    if runtime != "auto":
        _check_installed(runtime)
    else:
        runtime = _fastest(description, device, precision, compile)
        if description.exports:  # else there was nothing to choose
            print(f"runtime: {runtime}, {precision}", file=sys.stderr)
    if runtime == "torch":
        from lymphoscope.inference.backends.torch_runtime import TorchRuntime

        return TorchRuntime(folder, device=device, precision=precision, threads=threads, compile=compile)
    _check_cpu(runtime, device)
    return _exported(folder, description, runtime, precision, threads or default_threads())


def default_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_installed(runtime: str) -> bool:
    """Whether the library of a runtime can be imported."""
    return find_spec(MODULES[runtime]) is not None


def _exported(folder: Path, description: Description, runtime: str, precision: str, threads: int) -> NetworkRuntime:
    found = _export_of(description, runtime, precision)
    if found is None:
        raise LymphoscopeError(
            f"{description.name} holds no {precision} network for {runtime}: "
            f"lymphoscope export MODEL --to {runtime}{_flags(precision)} writes one"
        )
    network = export_files(folder, found)[0]
    if runtime == "onnx":
        from lymphoscope.inference.backends.onnx_runtime import OnnxRuntime

        return OnnxRuntime(description, network, precision, threads)
    from lymphoscope.inference.backends.openvino_runtime import OpenvinoRuntime

    return OpenvinoRuntime(description, network, precision, threads)


def _fastest(description: Description, device: str, precision: str, compile: bool) -> str:
    wants_torch = compile or device not in ("auto", "cpu") or (device == "auto" and NVIDIA.exists())
    if not (wants_torch and is_installed("torch")):
        for name in FASTEST_FIRST:
            held = name == "torch" or _export_of(description, name, precision) is not None
            if held and is_installed(name):
                return name
    if not wants_torch and not is_installed("torch"):
        raise LymphoscopeError(
            f"{description.name} holds no {precision} network for what is installed here: {_held(description)}; "
            f"to write one, or to compute the weights themselves: pip install '{EXTRAS['torch']}'"
        )
    _check_installed("torch")
    return "torch"


def _held(description: Description) -> str:
    held = [f"{one.precision} for {one.runtime}" for one in description.exports if one.graph == "network"]
    return f"it holds {', '.join(held)}" if held else "it holds none"


def _export_of(description: Description, runtime: str, precision: str) -> Export | None:
    """The network's export for a runtime and a precision, of the weights that the model has now."""
    fit = [
        export
        for export in description.exports
        if (export.runtime, export.precision, export.graph) == (runtime, precision, "network")
        and export.weights_sha256 == description.weights_sha256
    ]
    return fit[0] if fit else None


def _check_names(runtime: str, precision: str) -> None:
    if runtime not in ("auto", *MODULES):
        raise LymphoscopeError(f"no runtime {runtime!r}: --runtime takes auto, {', '.join(MODULES)}")
    if precision not in PRECISIONS:
        raise LymphoscopeError(f"no precision {precision!r}: --precision takes {', '.join(PRECISIONS)}")


def _check_installed(runtime: str) -> None:
    if not is_installed(runtime):
        raise LymphoscopeError(f"the runtime {runtime} is not installed: pip install '{EXTRAS[runtime]}'")


def _check_cpu(runtime: str, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise LymphoscopeError(f"no device {device!r} for {runtime}, which computes on the CPU: use --runtime torch")


def _flags(precision: str) -> str:
    return {"int8": " --int8 --calibration CELLS", "bfloat16": " --precision bfloat16"}.get(precision, "")
