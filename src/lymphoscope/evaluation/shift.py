"""What a model said of the same cells, unchanged and under each change of the picture -> where it breaks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import Answer, Question, draws_of
from lymphoscope.evaluation.judged import scores_question
from lymphoscope.evaluation.measured import Scores
from lymphoscope.evaluation.metrics import Floats, Outcomes
from lymphoscope.evaluation.schema import Shift, ShiftStep

_JUDGED_BY = "balanced_accuracy"


@dataclass(frozen=True)
class ChangedOutcomes:
    """What was said of the N cells under one change of one level; `amount` is its strength in words."""

    change: str
    level: int
    amount: str
    outcomes: Outcomes


def judge_shift(
    subjects: Sequence[str | None],
    unchanged: Outcomes,
    changed: Sequence[ChangedOutcomes],
    *,
    replicates: int,
    seed: int = 0,
    note: str | None = None,
) -> Shift:
    """Score N cells of `subjects` (N,) unchanged and under each change, all with the same bootstrap draws.

    A step has `fallen` where its balanced accuracy is lower than unchanged and the paired interval of the difference
    lies below 0; with many steps, one in forty falls so by chance alone.
    """
    draws = draws_of(pd.DataFrame({"subject": list(subjects)}), unchanged, replicates=replicates, seed=seed)
    every = np.ones(len(unchanged.truth), dtype=bool)
    questions = {"unchanged": scores_question(unchanged, every)}
    for place, step in enumerate(changed):
        questions[f"{place}"] = scores_question(step.outcomes, every)
        questions[f"{place} less"] = _less(step.outcomes, unchanged)
    answers = draws.answer(questions)
    return Shift(
        cells=len(every),
        unchanged=_scores(answers["unchanged"]),
        steps=[
            ShiftStep(
                change=step.change,
                level=step.level,
                amount=step.amount,
                scores=_scores(answers[f"{place}"]),
                fallen=_fallen(answers[f"{place} less"][_JUDGED_BY]),
            )
            for place, step in enumerate(changed)
        ],
        note=note,
    )


def _less(changed: Outcomes, unchanged: Outcomes) -> Question:
    """Balanced accuracy under a change less that without it, replicate by replicate."""
    every = np.ones(len(unchanged.truth), dtype=bool)
    first, second = scores_question(changed, every), scores_question(unchanged, every)

    def compute(weights: Floats) -> dict[str, Floats]:
        return {_JUDGED_BY: first.compute(weights)[_JUDGED_BY] - second.compute(weights)[_JUDGED_BY]}

    return Question(compute, {_JUDGED_BY: replace(first.quantities[_JUDGED_BY], scale="difference")})


def _scores(answers: dict[str, Answer]) -> Scores:
    return Scores.model_validate({metric: answer.measured for metric, answer in answers.items()})


def _fallen(difference: Answer) -> bool:
    high = difference.interval.high
    return high is not None and high < 0
