"""The content of metrics.json, format 2: the joint between what measures and what reports (docs/reference/).

Every number is a `Estimate`: a value with its 95 % interval, or with the reason why it has none. A section that was
not asked for is None.
"""

from typing import Final, Literal

from lymphoscope.evaluation.estimates import Bootstrap, Estimate, Scores
from lymphoscope.vocabulary import StrictModel

FORMAT_VERSION: Final = 2


class Confusion(StrictModel):
    """Counts (K, K): rows the label, columns what was called."""

    labels: list[str]
    matrix: list[list[int]]


class SubjectScores(StrictModel):
    """One subject's cells; `accuracy` has an exact binomial (Clopper-Pearson) interval."""

    subject: str
    label: str
    cells: int
    correct: int
    accuracy: Estimate
    blast_fraction: float | None


class Refer(StrictModel):
    """Which cells a person must look at, and how the others fare.

    `missed_blasts` is the share of all blasts that were signed off as another class: called so, and not referred.
    """

    cells: int
    fraction: float
    reasons: dict[str, int]
    kept_cells: int
    kept_accuracy: Estimate
    missed_blasts: Estimate
    stated_miss_rate: float | None = None


class Bin(StrictModel):
    """One bin of the reliability diagram: scores from `low` up to `high`, their mean, and the share that was right."""

    low: float
    high: float
    cells: int
    score: float
    correct: float


class CalibrationErrors(StrictModel):
    """Three measures of a score as a probability; lower is better."""

    ece: Estimate
    brier: Estimate
    log_loss: Estimate


class Calibration(StrictModel):
    """Whether a score of 0.9 is right nine times in ten: as predicted, and as the streams' plain mean softmax.

    `binning` states how ECE was binned; `bins` are those of the score as predicted.
    """

    binning: str
    as_predicted: CalibrationErrors
    uncalibrated: CalibrationErrors
    bins: list[Bin]


class Signal(StrictModel):
    """One way to rank cells by doubt. `curve` holds (coverage, risk): the share kept, and the share of errors in it."""

    name: str
    meaning: str
    cells: int
    area: Estimate
    curve: list[tuple[float, float]]


class RiskCoverage(StrictModel):
    """Each signal's risk-coverage curve and its area (lower is better).

    `disagreement_minus_score` is the area of ranking by stream disagreement less that of ranking by the plain score,
    on the same cells: above 0 the plain score ranks mistakes better. `point` is (coverage, risk) of `refer` as stored.
    """

    signals: list[Signal]
    disagreement_minus_score: Estimate
    verdict: str
    point: tuple[float, float] | None


class BlastShare(StrictModel):
    """How many of a subject's (or slide's) cells are blasts, as counted and as corrected for the classifier's errors.

    `called` of `cells` were called blast: `share` with an exact binomial interval. `corrected` is Rogan-Gladen's.
    `more_cells` is how many more cells would bring the exact interval wholly above or below `stated_percentage`, at
    the share seen so far; None where it is so already, and, while the side is undecided, where no count that anybody
    makes would do. `enough_cells` is the 200-cell rule of the ICSH.
    """

    subject: str
    slide: str | None
    label: str | None
    cells: int
    called: int
    share: Estimate
    corrected: Estimate
    side: Literal["above", "below", "undecided"]
    more_cells: int | None
    enough_cells: bool


class Curve(StrictModel):
    """Points of a ROC curve."""

    false_positive: list[float]
    true_positive: list[float]


class SubjectLevel(StrictModel):
    """From cells to people: blast share of each subject and slide, and the ROC of telling subjects apart by it.

    `left_out` cells have no prediction or no subject.
    """

    stated_percentage: float
    fewest_cells: int
    left_out: int = 0
    subjects: list[BlastShare]
    slides: list[BlastShare]
    auc: Estimate
    roc: Curve | None


class LabelError(StrictModel):
    """A cell whose label the model, which had not seen it, doubts: `quality` 0-1, low is doubtful."""

    path: str
    subject: str | None
    label: str
    suggested: str
    quality: float


class LabelErrors(StrictModel):
    """The cells whose labels are most doubtful, by confident learning, most doubtful first."""

    method: str
    cells: int
    found: list[LabelError]
    reason: str | None = None


class Leak(StrictModel):
    """One cell of the judged part that training had seen, or its twin; `kind` says how."""

    kind: Literal["subject", "duplicate", "near-duplicate"]
    path: str
    other: str
    detail: str


class Leakage(StrictModel):
    """Whether the judged cells are new to the model. `without` scores those that are, where asked for."""

    checked: list[str]
    allowed: bool
    leaking_cells: int
    leaks: list[Leak]
    without: Scores | None = None
    reason: str | None = None


class MapScore(StrictModel):
    """One way to say where the model looked. Deletion: lower is better. Insertion: higher is better."""

    name: str
    deletion: Estimate
    insertion: Estimate
    deletion_curve: list[float]
    insertion_curve: list[float]


class Saliency(StrictModel):
    """Whether the maps show what the score rests on: pixels taken away, or brought in, in the order of a map.

    The differences are attention less random, cell by cell. `verdict` says in words which is better, `note` how the
    cells were drawn and what the score was.
    """

    cells: int
    steps: int
    maps: list[MapScore]
    attention_minus_random_deletion: Estimate
    attention_minus_random_insertion: Estimate
    verdict: str
    note: str | None = None


class CorruptionStep(StrictModel):
    """Scores of the same cells under one change of one strength; `amount` says the strength in its own unit."""

    change: str
    level: int
    amount: str
    scores: Scores
    significant_drop: bool


class Robustness(StrictModel):
    """Where the model breaks: graded changes of the picture, and the scores under each.

    `significant_drop` marks a step whose balanced accuracy fell: its paired interval excludes 0. `note` says
    where the cells are a draw of more, or some could not be read.
    """

    cells: int
    unchanged: Scores
    steps: list[CorruptionStep]
    note: str | None = None


class Metrics(StrictModel):
    """The whole of metrics.json.

    `folds` holds the scores of each fold of a cross-validation, where `vote` pools them.
    """

    format_version: Literal[2] = FORMAT_VERSION
    cells: int
    evaluated: int
    failed: int
    unlabelled: int
    subjects: int
    classes: list[str]
    blast_class: str | None
    prevalence: float | None
    bootstrap: Bootstrap
    vote: Scores
    streams: dict[str, Scores]
    constant: dict[str, Scores]
    confusion: Confusion
    per_subject: list[SubjectScores]
    refer: Refer
    folds: list[Scores] | None = None
    calibration: Calibration | None = None
    risk_coverage: RiskCoverage | None = None
    subject_level: SubjectLevel | None = None
    label_errors: LabelErrors | None = None
    leakage: Leakage | None = None
    saliency: Saliency | None = None
    robustness: Robustness | None = None
