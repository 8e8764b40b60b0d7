"""Predictions -> the content of metrics.json."""

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import Answer, Question, draws_of, unit_names
from lymphoscope.evaluation.by_subject import subject_scores
from lymphoscope.evaluation.calibration import calibration_questions, calibration_section
from lymphoscope.evaluation.constants import constant_section
from lymphoscope.evaluation.intervals import units_of
from lymphoscope.evaluation.judged import Judged, judged_cells, scores_question
from lymphoscope.evaluation.measured import Scores
from lymphoscope.evaluation.metrics import confusions
from lymphoscope.evaluation.referral import referral_question, referral_section
from lymphoscope.evaluation.risk_coverage import risk_coverage_question, risk_coverage_section
from lymphoscope.evaluation.roc import RocCurve, roc_curve
from lymphoscope.evaluation.schema import Confusion, LabelDoubts, Metrics, SubjectLevel

REPLICATES = 2000


def evaluate_predictions(
    table: pd.DataFrame,
    *,
    blast_class: str | None,
    replicates: int = REPLICATES,
    seed: int = 0,
    stated_miss_rate: float | None = None,
    subject_level: SubjectLevel | None = None,
    label_doubts: LabelDoubts | None = None,
    folds: list[Scores] | None = None,
) -> Metrics:
    """A predictions table -> its numbers; `model_dump(mode="json")` is metrics.json, which has no NaN.

    The vote, each stream on the cells that it saw, the constant classifiers, the subjects, referral, calibration and
    risk-coverage; a number that cannot be had is None beside its reason. `blast_class` is None where the model has
    none; `stated_miss_rate` is the one that its referral was fitted for. `subject_level`, `label_doubts` and `folds`,
    made of the same table, are put in as they are. Raises LymphoscopeError when a label or `blast_class` is not one of
    the table's classes.
    """
    judged = judged_cells(table, blast_class)
    draws = draws_of(judged.rows, judged.outcomes, replicates=replicates, seed=seed)
    answers = draws.answer(_questions(judged))
    usable = table["predicted"].notna() & table["error"].isna()
    labels = list(judged.outcomes.classes)
    return Metrics(
        cells=len(table),
        evaluated=len(judged.rows),
        failed=int((~usable).sum()),
        unlabelled=int((usable & table["label"].isna()).sum()),
        subjects=int(judged.rows["subject"].nunique()),
        classes=labels,
        blast_class=blast_class,
        prevalence=_prevalence(judged),
        bootstrap=draws.described,
        vote=_scores(answers["vote"]),
        streams={stream: _stream(judged, stream, answers[stream]) for stream in judged.streams},
        constant=constant_section(judged.outcomes),
        confusion=Confusion(labels=labels, matrix=_confusion(judged)),
        by_subject=subject_scores(judged),
        refer=referral_section(table, judged, answers["referral"], stated_miss_rate),
        calibration=calibration_section(judged, answers),
        risk_coverage=risk_coverage_section(judged, answers["risk_coverage"]),
        subject_level=subject_level,
        label_doubts=label_doubts,
        folds=folds,
    )


def roc_of_predictions(table: pd.DataFrame, *, blast_class: str | None, seed: int = 0) -> RocCurve | None:
    """The ROC curve of the blast class's score, its band drawn over the same units as `evaluate_predictions` draws.

    None where no evaluated cell is a blast, or every one, or where there is no blast class.
    """
    judged = judged_cells(table, blast_class)
    return roc_curve(judged.outcomes, units_of(unit_names(judged.rows), judged.outcomes), seed=seed)


def _questions(judged: Judged) -> dict[str, Question]:
    """All that is measured with the one set of draws; a stream's name is the question after its scores."""
    every = np.ones(len(judged.rows), dtype=bool)
    return {
        "vote": scores_question(judged.outcomes, every),
        **{stream: scores_question(judged.of_stream(stream), seen) for stream, seen in judged.streams.items()},
        "referral": referral_question(judged),
        **calibration_questions(judged),
        "risk_coverage": risk_coverage_question(judged),
    }


def _scores(answers: dict[str, Answer], cells: int | None = None, note: str | None = None) -> Scores:
    return Scores(**{metric: answer.measured for metric, answer in answers.items()}, cells=cells, note=note)


def _stream(judged: Judged, stream: str, answers: dict[str, Answer]) -> Scores:
    seen = judged.streams[stream]
    note = f"on the {seen.sum()} of {len(seen)} cells for which this stream was run"
    return _scores(answers, int(seen.sum()), None if seen.all() else note)


def _prevalence(judged: Judged) -> float | None:
    blasts = judged.outcomes.is_blast
    return None if judged.outcomes.blast is None or len(blasts) == 0 else float(blasts.mean())


def _confusion(judged: Judged) -> list[list[int]]:
    matrix: list[list[int]] = confusions(judged.outcomes, np.ones((1, len(judged.rows))))[0].astype(int).tolist()
    return matrix
