"""After training: calibration, referral and ood_reference, from cells of subjects whom the weights never saw.

Those are the validation cells; they chose the epoch at most, and nothing is learnt from them. The model of all cells of
a cross-validation has too few of its own: its scores are fitted on what the folds' models said of cells that were held
out from them. What the known cells look like is taken from the training cells.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.evaluation import mean_of_streams
from lymphoscope.inference import Model, load
from lymphoscope.model_file import Description, load_description, record_referral
from lymphoscope.referral import Calibration, OodReference, ScoreBand, fit_calibration
from lymphoscope.runs.log import say
from lymphoscope.runs.training_statistics import Seen, fit_ood_reference, seen_cells

if TYPE_CHECKING:
    from lymphoscope.training import Recipe
    from lymphoscope.training.recipe import ReferralRecipe


@dataclass(frozen=True)
class CalibrationCells:
    """N labelled cells that are new to a model: mean softmax (N, K), classes (N,), subjects (N,), and what they are."""

    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    subjects: NDArray[np.object_]
    how: str


def fit_on_calibration_subjects(recipe: "Recipe", manifest: Manifest, folder: Path) -> Description:
    """Geometry all three for the model in `folder` on its own split, and write them into its `model.json`."""
    model = load(folder)
    known = seen_cells(model, manifest, "train")
    inner = seen_cells(model, manifest, "validation")
    ood_reference = fit_ood_reference(known, inner, recipe.referral.familiar)
    return _record(recipe.referral, folder, _inner_cells(inner, model), ood_reference)


def fit_out_of_fold(recipe: "Recipe", predictions: pd.DataFrame, folder: Path, how: str) -> Description:
    """Geometry temperature and band for the model in `folder` on predictions of models of its recipe; `how` names them.

    What its own cells look like is kept.
    """
    description = load_description(folder)
    place = {name: index for index, name in enumerate(description.classes)}
    judged = predictions[predictions["label"].isin(description.classes) & predictions["predicted"].notna()]
    cells = CalibrationCells(
        mean_of_streams(judged, description.classes),
        judged["label"].map(place).to_numpy().astype(np.int64),
        judged["subject"].to_numpy(object),
        how,
    )
    return _record(recipe.referral, folder, cells, description.referral.ood_reference)


def _inner_cells(inner: Seen, model: Model) -> CalibrationCells:
    names = {name: index for index, name in enumerate(model.description.classes)}
    truth = np.array([names[label] for label in inner.labels], dtype=np.int64)
    how = "the validation cells, which gave no weights"
    return CalibrationCells(inner.scores.astype(np.float64), truth, inner.subjects, how)


def _record(
    wanted: "ReferralRecipe", folder: Path, cells: CalibrationCells, ood_reference: OodReference | None
) -> Description:
    before = load_description(folder)
    calibration, band = fitted(wanted, cells, before)
    changes = {"rules": wanted.rules, "band": band, "ood_reference": ood_reference}
    described = record_referral(folder, calibration=calibration, referral=before.referral.model_copy(update=changes))
    _say(described)
    return described


def fitted(
    wanted: "ReferralRecipe", cells: CalibrationCells, description: Description
) -> tuple[Calibration | None, ScoreBand | None]:
    """Temperature and band of inner cells; None where a class has no cell, and no band without a blast class."""
    if len(np.unique(cells.truth)) < len(description.classes):
        return None, None
    rates = wanted.model_dump(include={"miss_rate", "false_alarm_rate", "confidence"})
    found = fit_calibration(cells.scores, cells.truth, cells.subjects, description.positive_index, **rates)
    subjects = len({name for name in cells.subjects if name is not None and name == name})
    calibration = Calibration(
        temperature=found.temperature, cells=len(cells.truth), subjects=subjects, how=f"On {cells.how}."
    )
    if found.band is None:
        return calibration, None
    how = f"On {cells.how}, each subject's scores calibrated without it."
    return calibration, found.band.model_copy(update={"how": how})


def _say(described: Description) -> None:
    if described.calibration is None:
        say("not calibrated, and no band of scores: a class has no cell among the inner subjects")
        return
    found = described.calibration
    say(f"calibrated on {found.cells:,} cells of {found.subjects} inner subjects: temperature {found.temperature:.2f}")
    band = described.referral.band
    if band is not None:
        say(f"a person looks at blast scores from {band.low:.3f} to {band.high:.3f}")
        for reason in filter(None, (band.low_reason, band.high_reason)):
            say(f"nothing is signed off on one side: {reason}")
