"""What a result's folder was begun with, so that runs of other cells or limits never mix in it."""

import json
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.request import Request
from lymphoscope.files import write_json

TERMS = "experiment.json"


def check_terms(request: Request) -> None:
    """Note in the folder what is asked. Raises LymphoscopeError where it holds runs of another experiment."""
    path, wanted = request.out / TERMS, _terms(request)
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in wanted if held.get(name) != wanted[name]]
        if other:
            raise LymphoscopeError(
                f"{request.out} holds {held.get('name')} with {other[0]} {held.get(other[0])!r}, not "
                f"{wanted[other[0]]!r}: choose another --out, or the same words to go on"
            )
    write_json(path, wanted)


def _terms(request: Request) -> dict[str, Any]:
    limits = request.limits
    return {
        "name": request.name,
        "data": request.data,
        "epochs": limits.epochs,
        "cells": limits.cells,
        "folds": limits.folds,
        "backbone": limits.backbone,
        "overrides": list(limits.overrides),
        "subject_pattern": request.subject_pattern,
    }
