"""A model folder -> a network on a runtime: the one that was asked for, or the fastest one here."""

import sys
from pathlib import Path

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.measurement import runtime_speed
from lymphoscope.inference.backends.protocol import NetworkRuntime
from lymphoscope.inference.backends.registry import AUTO, OpenOptions, RuntimeInfo, find_runtime, runtimes
from lymphoscope.model_file import (
    Description,
    Export,
    description_for_export,
    export_command,
    export_files,
    load_description,
)
from lymphoscope.vocabulary import PRECISIONS

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
"""Exists where the driver is loaded; asking torch would take the four seconds of its import."""


def open_network(
    folder: Path,
    *,
    runtime: str = AUTO,
    device: str = AUTO,
    precision: str = "float32",
    threads: int | None = None,
    compile: bool = False,
) -> NetworkRuntime:
    """Open a model on a runtime of the registry, or on `auto`, which prints its choice on standard error.

    `auto` takes a runtime that supports other devices than the CPU (torch) if such a device is asked for or present,
    or if torch is to compile. Among several runtimes that the model holds a network for, it takes the fastest one here,
    measured once. Raises LymphoscopeError for an unknown name, a runtime that is not installed or that the
    model holds no file for, and a device or precision that the runtime does not support.
    """
    options = OpenOptions(device, precision, threads, compile)
    if precision not in PRECISIONS:
        raise LymphoscopeError(f"no precision {precision!r}: --precision takes {', '.join(PRECISIONS)}")
    chosen = None if runtime == AUTO else find_runtime(runtime)
    description = load_description(folder)
    if chosen is None:
        chosen, why = _fastest(folder, description, options)
        if description.exports:  # otherwise there was nothing to choose from
            print(f"runtime: {chosen.name}, {precision} ({why})", file=sys.stderr)
    _check_installed(chosen)
    _check_supported(chosen, options)
    return _open(folder, description, chosen, options)


def explain_auto(folder: Path) -> str:
    """Return which runtime `auto` takes for a model in float32 on the CPU, and why.

    Raises LymphoscopeError where it has none, or cannot open it.
    """
    chosen, why = _fastest(folder, load_description(folder), OpenOptions(device="cpu"))
    return f"{chosen.name} ({why})"


def _open(folder: Path, description: Description, runtime: RuntimeInfo, options: OpenOptions) -> NetworkRuntime:
    """Open the model folder, or the file of the export that the runtime needs."""
    if runtime.export is None:
        return runtime.open(folder, description, options)
    export = _export_for(description, runtime, options.precision)
    if export is None:
        raise LymphoscopeError(
            f"{folder} holds no {options.precision} network for {runtime.name}: "
            f"{export_command(folder, runtime.name, options.precision)}"
        )
    network = export_files(folder, export)[0]
    return runtime.open(network, description_for_export(folder, description, export), options)


def _fastest(folder: Path, description: Description, options: OpenOptions) -> tuple[RuntimeInfo, str]:
    """Return the runtime that `auto` takes, and why."""
    accelerated = _accelerated(options)
    if accelerated and accelerated[0].installed:
        return accelerated[0], "it compiles" if options.compile else f"it computes on {options.device}"
    usable = [
        runtime
        for runtime in runtimes()
        if runtime.installed
        and (runtime.export is None or _export_for(description, runtime, options.precision) is not None)
    ]
    exported = [runtime for runtime in usable if runtime.export is not None]
    if len(exported) > 1:
        speed = runtime_speed(
            exported, description, options, lambda runtime: _open(folder, description, runtime, options)
        )
        return find_runtime(speed.fastest), str(speed)
    if usable:
        return usable[0], "the only one with a network for it" if exported else "from the weights"
    if accelerated:
        return accelerated[0], "its absence is reported"
    weights = next(runtime for runtime in runtimes() if runtime.export is None)
    raise LymphoscopeError(
        f"{description.name} holds no {options.precision} network for the installed runtimes: "
        f"{_exports_text(description)}; to export one, or to compute the weights themselves: "
        f"pip install '{weights.requirement}'"
    )


def _accelerated(options: OpenOptions) -> list[RuntimeInfo]:
    """Return the runtimes that the options ask for by a device other than the CPU, or by `compile`."""
    if options.compile:
        return [runtime for runtime in runtimes() if runtime.compiles]
    if options.device not in (AUTO, "cpu") or (options.device == AUTO and NVIDIA_DRIVER.exists()):
        return [runtime for runtime in runtimes() if runtime.devices != ("cpu",)]
    return []


def _export_for(description: Description, runtime: RuntimeInfo, precision: str) -> Export | None:
    """Return the network exported for a runtime and a precision from the weights that the model has now."""
    wanted = (runtime.name, precision, "network", description.weights_sha256)
    for export in description.exports:
        if (export.runtime, export.precision, export.graph, export.weights_sha256) == wanted:
            return export
    return None


def _exports_text(description: Description) -> str:
    return f"it holds {description.networks or 'none'}"


def _check_installed(runtime: RuntimeInfo) -> None:
    if not runtime.installed:
        raise LymphoscopeError(f"the runtime {runtime.name} is not installed: pip install '{runtime.requirement}'")


def _check_supported(runtime: RuntimeInfo, options: OpenOptions) -> None:
    device, precision = options.device, options.precision
    if not runtime.supports(device):
        others = [other.name for other in runtimes() if other.supports(device)]
        hint = f"use --runtime {' or '.join(others)}" if others else "choose another --device"
        kinds = ", ".join("the CPU" if kind == "cpu" else kind for kind in runtime.devices)
        raise LymphoscopeError(f"no device {device!r} for {runtime.name}, which computes on {kinds}: {hint}")
    if precision not in runtime.precisions:
        others = [other.name for other in runtimes() if other.export and precision in other.precisions]
        raise LymphoscopeError(
            f"{runtime.name} computes {' and '.join(runtime.precisions)}, not {precision}: "
            f"export the model for {' or '.join(others)}"
        )
