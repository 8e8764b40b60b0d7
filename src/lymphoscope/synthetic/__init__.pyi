from .generate import synthesize as synthesize
from .settings import SynthesisSettings as SynthesisSettings

__all__ = ["SynthesisSettings", "synthesize"]
