"""What comes of handing some cells to a person: how the others fare, and which blasts are signed off."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import IntervalEstimate, MetricGroup, MetricSpec
from lymphoscope.evaluation.evaluation_set import EvaluationSet
from lymphoscope.evaluation.metrics import NO_CELLS, Floats, ratio, relevant, why_undefined
from lymphoscope.evaluation.schema import Refer


def referral_group(judged: EvaluationSet) -> MetricGroup:
    """Accuracy of the cells that are kept; share of all blasts that were called otherwise and not referred."""
    kept, blast = ~judged.referred, judged.outcomes.is_blast
    counted = np.stack([kept & ~judged.wrong, kept, kept & blast & judged.wrong, blast], axis=1).astype(np.float64)

    def compute(weights: Floats) -> dict[str, Floats]:
        right, of_kept, missed, of_blast = (weights @ counted).T
        return {"kept_accuracy": ratio(right, of_kept), "missed_blasts": ratio(missed, of_blast)}

    nothing_kept = None if kept.any() else "every cell is referred"
    quantities = {
        "kept_accuracy": MetricSpec(kept, undefined=nothing_kept if len(kept) else NO_CELLS),
        "missed_blasts": MetricSpec(
            relevant("sensitivity", judged.outcomes), undefined=why_undefined("sensitivity", judged.outcomes)
        ),
    }
    return MetricGroup(compute, quantities)


def referral_section(
    table: pd.DataFrame, judged: EvaluationSet, answers: Mapping[str, IntervalEstimate], stated_miss_rate: float | None
) -> Refer:
    """The section of metrics.json; `cells`, `fraction` and `reasons` are of the whole table, unlabelled cells too."""
    referred = table[table["refer"].astype(bool)]
    reasons = referred["refer_reason"].dropna().str.split("; ").explode()
    return Refer(
        cells=len(referred),
        fraction=len(referred) / len(table),
        reasons={str(reason): int(count) for reason, count in reasons.value_counts().items()},
        kept_cells=int(np.sum(~judged.referred)),
        kept_accuracy=answers["kept_accuracy"].measured,
        missed_blasts=answers["missed_blasts"].measured,
        stated_miss_rate=stated_miss_rate,
    )
