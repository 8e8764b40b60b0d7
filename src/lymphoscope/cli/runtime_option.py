"""The option `--runtime`. Its help lists the runtimes, so only commands that compute a network import it."""

from typing import Annotated

import typer

from lymphoscope.inference.backends.registry import runtime_names

RuntimeOption = Annotated[
    str,
    typer.Option(
        "--runtime",
        help=f"{', '.join(runtime_names())}, or auto: the fastest that is installed and that the model supports.",
    ),
]
