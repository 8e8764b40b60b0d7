from .api import (
    audit as audit,
    compare as compare,
    evaluate as evaluate,
    score as score,
    split as split,
    stress as stress,
    train as train,
)
from .errors import LymphoscopeError as LymphoscopeError
from .inference import Model as Model, load as load
from .smear.entry import smear as smear
from .synthetic import synthesize as synthesize
from .version import __version__ as __version__

__all__ = [
    "LymphoscopeError",
    "Model",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "load",
    "score",
    "smear",
    "split",
    "stress",
    "synthesize",
    "train",
]
