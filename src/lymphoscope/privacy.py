"""Keep the libraries in use from the network and from the user's folders. `import lymphoscope` calls it.

It must run before any of them is imported. A variable that the user has set keeps its value.
"""

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

NO_TELEMETRY: Mapping[str, str] = MappingProxyType(
    {
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: event server, device id and event database in the user's cache
        "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face Hub, which timm imports
        "RAY_USAGE_STATS_ENABLED": "0",  # Ray
        "NNCF_CI": "1",  # NNCF; OpenVINO's import ignores it, see `disable_telemetry`
        "DO_NOT_TRACK": "1",  # others that honour it
    }
)
"""Environment variable -> value."""


def disable_telemetry() -> None:
    """Set the variables of `NO_TELEMETRY`, and matplotlib's folder, for this process and its children.

    OpenVINO looks up a statistics server when it is imported, and has no switch for that. It does without where the
    package `openvino_telemetry` cannot be imported, which an entry of None has for this process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(cache_path(), "matplotlib"))  # noqa: PTH118


def cache_path() -> str:
    """Return the folder for our caches, which may not exist and may not be writable."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    return os.path.join(base, "lymphoscope")  # noqa: PTH118
