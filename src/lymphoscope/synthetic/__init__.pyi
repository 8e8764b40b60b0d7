from .generate import synthesize as synthesize
from .settings import SynthesisSettings as SynthesisSettings
from .smear_fields import (
    SmearField as SmearField,
    SmearSettings as SmearSettings,
    TrueCell as TrueCell,
    draw_smear_field as draw_smear_field,
    synthesize_smear as synthesize_smear,
)

__all__ = [
    "SmearField",
    "SmearSettings",
    "SynthesisSettings",
    "TrueCell",
    "draw_smear_field",
    "synthesize",
    "synthesize_smear",
]
