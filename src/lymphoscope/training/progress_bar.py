"""Lightning's progress bar, on a terminal only; elsewhere `History` says a line an epoch."""

import sys

from lightning.pytorch.callbacks import Callback, RichProgressBar


def progress_callbacks() -> list[Callback]:
    """A bar on a terminal, nothing elsewhere."""
    return [RichProgressBar(leave=False)] if sys.stderr.isatty() else []
