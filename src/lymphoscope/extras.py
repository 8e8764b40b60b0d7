"""What the plain install leaves out, and the one line that says how to get it."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from lymphoscope.errors import LymphoscopeError

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "parquet": ("pyarrow",),
        "audit": ("cleanlab", "imagehash", "sklearn"),
        "train": (
            "torch",
            "torchvision",
            "timm",
            "lightning",
            "tensorboard",
            "captum",
            "huggingface_hub",
            "onnx",
            "onnxscript",
        ),
        "openvino": ("openvino", "nncf"),
        "cluster": ("ray", "fsspec"),
        "reproduce": ("openTSNE",),
    }
)
"""Extra -> the modules that it brings and the plain install lacks."""


def installed(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    return find_spec(module) is not None


def require(extra: str, what: str) -> None:
    """Raise LymphoscopeError where a module of the extra is absent: one line with what to install for `what`.

    Called before work begins, so that a command does not stop halfway.
    """
    for module in EXTRAS[extra]:
        if not installed(module):
            raise LymphoscopeError(_line(what, module, extra))


def why_absent(error: ImportError) -> LymphoscopeError | None:
    """The one line for a failed import, where an extra brings what is missing; None where it is a fault of ours."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    if extra is None or installed(module):
        return None
    return LymphoscopeError(_line("this", module, extra))


def _line(what: str, module: str, extra: str) -> str:
    return f"{what} needs {module}, which is not installed: pip install 'lymphoscope[{extra}]'"
