"""The generator of synthetic smears: cells and fields with known masks, classes that overlap, planted faults."""

from lymphoscope.data.synthesis.generate import synthesize
from lymphoscope.data.synthesis.settings import SynthesisSettings

__all__ = ["SynthesisSettings", "synthesize"]
