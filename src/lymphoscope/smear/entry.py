"""The function `lymphoscope.smear`, which is also what this package does when it is called.

The package and the public function have one name. `from lymphoscope import smear` gives the function before the package
was imported and the package afterwards, so the package can be called like the function.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lymphoscope.vocabulary import ErasePolicy

if TYPE_CHECKING:
    from lymphoscope.smear.run import SmearResult


def smear(
    model: str | Path | None,
    fields: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    microns_per_pixel: float | None = None,
    target: int | None = None,
    detector: str | None = None,
    blast_threshold: float = 20.0,
    slide: str | None = None,
    subject: str | None = None,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    erase: ErasePolicy = "always",
    threads: int | None = None,
    workers: int | None = None,
    resume: bool = True,
    overwrite: bool = False,
    crops: bool = False,
    features: bool = True,
    cluster: str | None = None,
    command: str = "lymphoscope.smear()",
) -> "SmearResult":
    """Find, classify and count the white cells of fields or slides, and write the results folder `out`.

    `model` is a model folder, the name of a model that ships, or None for the default one. `fields` are files, folders
    or tables, as on the command line. `target` is the number of white cells to count, None for all. `crops` writes each
    cell as the model took it, `features` its feature vector. `cluster` is the address of a Ray cluster, or `local`. The
    result has the differential count and the record of every field.

    Raises LymphoscopeError for fields whose scale is not known and cannot be estimated from red cells, and for results
    in `out` unless `overwrite`.
    """
    from lymphoscope.extras import require
    from lymphoscope.inference import load
    from lymphoscope.model_file import resolve_model
    from lymphoscope.smear import RunOptions, find_fields, load_detector, run_smear

    if cluster is not None:
        require("cluster", "--cluster")
    paths = [fields] if isinstance(fields, str | Path) else list(fields)
    inputs, found_by = find_fields(paths, slide=slide, subject=subject), load_detector(detector)
    how: dict[str, Any] = {"device": device, "precision": precision, "erase": erase, "threads": threads}
    folder = resolve_model(model)
    loaded = load(folder, runtime=runtime, **how)
    options = RunOptions(
        microns_per_pixel=microns_per_pixel, target=target, blast_threshold=blast_threshold, workers=workers,
        resume=resume, overwrite=overwrite, command=command, crops=crops, features=features,
        cluster=cluster, model_folder=folder, detector=detector,
        model_options={**how, "threads": threads or 1, "runtime": loaded.runtime.options["runtime"]},
    )  # fmt: skip
    return run_smear(loaded, found_by, inputs, Path(out), options)


class _CallableModule(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> "SmearResult":
        return smear(*arguments, **options)


def make_callable(package: str) -> None:
    """Let a call of the package be a call of the function."""
    sys.modules[package].__class__ = _CallableModule
