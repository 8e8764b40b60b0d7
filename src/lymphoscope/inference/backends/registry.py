"""The registry of runtimes: every module of this package named `*_runtime` defines one, as its `RUNTIME`.

Neither this module nor those import a library that computes, so that `--help` can list the runtimes quickly.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import installed
from lymphoscope.vocabulary import Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lymphoscope.inference.backends.protocol import NetworkRuntime
    from lymphoscope.model_file import Description

AUTO = "auto"
"""The name that asks for the fastest runtime that is installed and that the model supports."""


@dataclass(frozen=True)
class OpenOptions:
    """How to compute: `--device`, `--precision`, `--threads` (None: all processors) and whether torch compiles."""

    device: str = AUTO
    precision: str = "float32"
    threads: int | None = None
    compile: bool = False


OpenNetwork = Callable[[Path, "Description", OpenOptions], "NetworkRuntime"]
"""Open the network of a file: of the export for runtimes that need one, else of the model folder."""
RunGraph = Callable[["NDArray[np.uint8]"], "dict[str, NDArray[Any]]"]
"""Cells (B, S, S, 3) -> the outputs of a graph, by name."""


@dataclass(frozen=True)
class ExportFormat:
    """The files that a runtime reads, and how they are made from an ONNX file."""

    suffix: str
    """Suffix of the file to open, `.onnx`."""
    convert: Callable[[Path, Path], None]
    """Write an ONNX file (the first path) in this format (the second)."""
    open_graph: Callable[[Path, OpenOptions], RunGraph]
    """Open the file of a graph with any outputs."""
    companion_suffixes: tuple[str, ...] = ()
    """Suffixes of files written beside it, `.bin`."""
    quantizes: Literal["onnx", "openvino"] | None = None
    """The kind of model that NNCF quantises for int8; None where the runtime has no int8."""


@dataclass(frozen=True)
class RuntimeInfo:
    """One runtime: a library that can compute a network."""

    name: str
    """The name for `--runtime`."""
    title: str
    """The name of the library, for people."""
    module: str
    """The module to import."""
    extra: str | None
    """The extra of Lymphoscope that installs it; None for the plain install."""
    precisions: tuple[Precision, ...]
    devices: tuple[str, ...]
    """Kinds of devices, `cuda` for `cuda:1`."""
    priority: int
    """`auto` tries the highest first."""
    open: OpenNetwork
    export: ExportFormat | None = None
    """The files that it needs; None where it computes the weights of the model folder."""
    compiles: bool = False
    """Whether it can compile the network (`compile=True`)."""

    @property
    def installed(self) -> bool:
        """Whether the library can be imported."""
        return installed(self.module)

    @property
    def requirement(self) -> str:
        """What to install to have it."""
        return f"lymphoscope[{self.extra}]" if self.extra else "lymphoscope"

    def supports(self, device: str) -> bool:
        """Whether it computes on a device such as `cpu`, `cuda:1` or `auto`."""
        return device == AUTO or device.partition(":")[0] in self.devices


@cache
def runtimes() -> tuple[RuntimeInfo, ...]:
    """Return all runtimes, the one with the highest priority first."""
    package = __name__.rpartition(".")[0]
    names = [module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name.endswith("_runtime")]
    infos: list[RuntimeInfo] = [import_module(f"{package}.{name}").RUNTIME for name in names]
    return tuple(sorted(infos, key=lambda runtime: -runtime.priority))


def runtime_names() -> list[str]:
    """Return the names of all runtimes, the one with the highest priority first."""
    return [runtime.name for runtime in runtimes()]


def export_runtimes() -> list[RuntimeInfo]:
    """Return the runtimes that a model can be exported for, in alphabetical order."""
    return sorted((runtime for runtime in runtimes() if runtime.export), key=lambda runtime: runtime.name)


def find_runtime(name: str) -> RuntimeInfo:
    """Return a runtime by its name. Raises LymphoscopeError for an unknown name."""
    for runtime in runtimes():
        if runtime.name == name:
            return runtime
    raise LymphoscopeError(f"no runtime {name!r}: --runtime takes {AUTO}, {', '.join(runtime_names())}")


def default_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
