from .protocol import Images as Images, NetworkPass as NetworkPass, NetworkRuntime as NetworkRuntime
from .registry import (
    RuntimeInfo as RuntimeInfo,
    default_threads as default_threads,
    export_runtimes as export_runtimes,
    find_runtime as find_runtime,
    runtime_names as runtime_names,
    runtimes as runtimes,
)
from .selection import explain_auto as explain_auto, open_network as open_network

__all__ = [
    "Images",
    "NetworkPass",
    "NetworkRuntime",
    "RuntimeInfo",
    "default_threads",
    "explain_auto",
    "export_runtimes",
    "find_runtime",
    "open_network",
    "runtime_names",
    "runtimes",
]
