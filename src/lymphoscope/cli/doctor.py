"""`lymphoscope doctor`: versions, devices, free disk space, and a self-test."""

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from lymphoscope.cli.options import AsJson
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.extras import installed
from lymphoscope.inference.backends.registry import export_runtimes, runtimes
from lymphoscope.version import __version__
from lymphoscope.vocabulary import ExitStatus

PACKAGES = (
    *(runtime.module for runtime in runtimes()),
    *("torchvision", "timm", "lightning", "ray"),
    *("numpy", "pandas", "pillow", "pyarrow", "pydantic"),
)
SEED = 0
SIDE = 96
"""Side of the synthetic images of the self-test, in pixels."""
# What a broken installation, driver or model file raises. Anything else is a bug and shows its traceback.
FAULTS = (LymphoscopeError, ImportError, OSError, RuntimeError, ValueError, AssertionError)


@dataclass(frozen=True)
class Check:
    """One part of the self-test, whether it passed (None: not checked), and a detail for the reader."""

    part: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Findings:
    """The result of `doctor`; `free_disk_gb` is by folder, `cuda` the names of the devices."""

    versions: dict[str, str]
    cpus: int
    cuda: list[str]
    free_disk_gb: dict[str, float]
    checks: list[Check]


def doctor_command(as_json: AsJson = False) -> None:
    """Show versions, devices and free disk space, and test that the method works on this machine."""
    cuda = _cuda_devices()
    checks = self_test(["cpu", *(f"cuda:{index}" for index in range(len(cuda)))])
    findings = Findings(_versions(), os.cpu_count() or 1, cuda, _free_disk_gb(), checks)
    typer.echo(json.dumps(asdict(findings), indent=2) if as_json else _as_text(findings))
    if any(check.passed is False for check in checks):
        raise typer.Exit(ExitStatus.SOME_FAILED)


def self_test(devices: list[str]) -> list[Check]:
    """Run the shipped model with each installed runtime, and the method with torch on each device."""
    exported = [_checked(f"shipped model with {name}", _try_exported, name) for name in _exported()]
    exported += [_checked(f"--runtime auto for {name}", _explain_auto, name) for name in _shipped()]
    if not installed("torch"):
        return exported
    parts: dict[str, Callable[[str], str]] = {"method": _try_method, "shipped model": _try_shipped_model}
    with_torch = [(f"{part} on {device}", attempt, device) for part, attempt in parts.items() for device in devices]
    return [*(_checked(*one) for one in with_torch), *exported]


def _exported() -> list[str]:
    """The installed runtimes other than torch for which the shipped model has a network."""
    from lymphoscope.model_file import load_description, resolve_model

    try:
        available = {export.runtime for export in load_description(resolve_model(None)).exports}
    except FAULTS:  # the test that loads the model reports the reason
        available = set()
    return [one.name for one in export_runtimes() if one.installed and (one.name in available or one.extra is None)]


def _shipped() -> list[str]:
    from lymphoscope.model_file import shipped_models

    return list(shipped_models())


def _explain_auto(name: str) -> str:
    from lymphoscope.inference.backends import explain_auto
    from lymphoscope.model_file import shipped_models

    return explain_auto(shipped_models()[name])


def _checked(part: str, attempt: Callable[[str], str], device: str) -> Check:
    try:
        return Check(part, True, attempt(device))
    except FAULTS as fault:
        if "No usable temporary directory" in str(fault):  # of `tempfile`, which PyTorch asks when it is imported
            return Check(part, None, "no writable temporary folder, which this part needs: mount one, or set TMPDIR")
        return Check(part, False, one_line(f"{type(fault).__name__}: {fault}"))


def _try_method(device: str) -> str:
    import torch

    from lymphoscope.backbones import create_backbone
    from lymphoscope.method import WTDFN, plurality_vote, predict_ternary

    torch.manual_seed(SEED)
    network = WTDFN(create_backbone("test_resnet"), num_classes=2, num_maps=4).eval().to(device)
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(SEED)).to(device)
    with torch.inference_mode():
        prediction = predict_ternary(network, images)
    sums = prediction.probabilities.float().sum(dim=2)  # (3, B)
    if not torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        raise LymphoscopeError(f"the probabilities of the streams sum to {sums.tolist()} instead of 1")
    if not torch.equal(plurality_vote(prediction.probabilities), prediction.labels):
        raise LymphoscopeError("the prediction is not the plurality vote of the streams")
    return "three streams computed and voted"


def _try_shipped_model(device: str) -> str:
    return _try_scores(device=device, runtime="torch")


def _try_exported(runtime: str) -> str:
    return _try_scores(device="cpu", runtime=runtime)


def _try_scores(**options: str) -> str:
    import numpy as np

    from lymphoscope.inference import load
    from lymphoscope.model_file import resolve_model

    runtime = load(resolve_model(None), **options).runtime  # type: ignore[arg-type]
    side = runtime.description.preprocessing.size
    pixels = np.random.default_rng(SEED).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    scores = runtime.predict(pixels).scores  # (B, K)
    if not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise LymphoscopeError(f"the rows of the scores {scores.tolist()} do not sum to 1")
    return f"{runtime.description.name}: two synthetic images scored"


def _versions() -> dict[str, str]:
    ours = {"lymphoscope": __version__, "python": platform.python_version()}
    return ours | {name: _version_of(name) for name in PACKAGES}


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cuda_devices() -> list[str]:
    if not installed("torch"):
        return []
    try:
        import torch
    except FAULTS:  # the self-test reports the reason
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _free_disk_gb() -> dict[str, float]:
    folders = [Path.cwd(), *_temporary_folders()]
    return {str(folder): round(shutil.disk_usage(folder).free / 1e9, 1) for folder in folders}


def _temporary_folders() -> list[Path]:
    """Return the temporary folder; nothing where none is writable."""
    try:
        return [Path(tempfile.gettempdir())]
    except FileNotFoundError:
        return []


def _as_text(findings: Findings) -> str:
    rows = list(findings.versions.items())
    rows += [("processors", str(findings.cpus)), ("CUDA devices", ", ".join(findings.cuda) or "none")]
    rows += [(f"free in {folder}", f"{free} GB") for folder, free in findings.free_disk_gb.items()]
    words = {True: "ok", False: "FAILED", None: "not checked"}
    rows += [(check.part, f"{words[check.passed]}: {check.detail}") for check in findings.checks]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
