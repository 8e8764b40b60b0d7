"""What a model file keeps of its metrics, for its card."""

from typing import Any

from lymphoscope.evaluation import Metrics
from lymphoscope.runs.leaks import counted


def kept_scores(metrics: Metrics) -> dict[str, Any]:
    """The estimates of the vote, the number of cells, calibration, referral, subjects and leaks."""
    kept = {name: estimate.model_dump(mode="json") for name, estimate in metrics.vote.estimates.items()}
    drawn = metrics.bootstrap.model_dump(mode="json")
    return {"cells": metrics.evaluated, "subjects": metrics.subjects, "bootstrap": drawn, **kept, **_evidence(metrics)}


def _evidence(metrics: Metrics) -> dict[str, Any]:
    level, calibration, leakage = metrics.subject_level, metrics.calibration, metrics.leakage
    worst = metrics.per_subject[0] if metrics.per_subject else None
    found = {
        "calibration": {name: error.model_dump(mode="json") for name, error in calibration.as_predicted.items()}
        if calibration
        else None,
        "referral": metrics.referral.model_dump(mode="json", exclude={"reasons"}),
        "worst_subject": worst.model_dump(mode="json") if worst else None,
        "subject_auc": level.auc.model_dump(mode="json") if level else None,
        "leaks": f"{leakage.leaking_cells} cells ({counted(leakage.leaks)})" if leakage and leakage.leaks else None,
        "leaks_unknown": leakage.reason if leakage else None,
    }
    return {name: value for name, value in found.items() if value is not None}
