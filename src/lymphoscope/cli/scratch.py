"""A folder for temporary files where the usual ones cannot be written, as in a read-only container."""

import errno
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lymphoscope.privacy import cache_path

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # files in it get random names from tempfile


def prepare_scratch(arguments: Sequence[str]) -> None:
    """Let this process and its children use the memory file system, or the folder of `--out`, for temporary files.

    The folder of a model is tried last. Only if none of the usual folders can be written. PyTorch and Matplotlib need
    such a folder to be imported. Without any, commands that need none still run.
    """
    if not _is_writable(Path(cache_path())):
        # Matplotlib then keeps its list of fonts in a temporary folder, and would warn of that in every run.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        # It makes the list with fc-list, which would complain a dozen times that it cannot write its own cache.
        os.environ.setdefault("FONTCONFIG_FILE", str(Path(__file__).with_name("no_fonts.conf")))
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        for folder in _candidates(arguments):
            if _is_writable(folder):
                tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
                return


def _candidates(arguments: Sequence[str]) -> Iterator[Path]:
    yield Path(_SHARED_MEMORY)
    for number, word in enumerate(arguments):
        value = word.removeprefix("--out=") if word.startswith("--out=") else None
        if word == "--out" and number + 1 < len(arguments):
            value = arguments[number + 1]
        if value:
            out = Path(value).absolute()
            yield from (folder for folder in (out, *out.parents) if folder.is_dir())
        if (Path(word) / "model.json").is_file():  # `export` writes into the model folder
            yield Path(word)


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there, or the folder itself. `os.access` ignores read-only mounts for root."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno == errno.EMFILE  # too many open files says nothing about the folder
