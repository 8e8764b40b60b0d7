"""The content of metrics.json, format 2: the joint between what measures and what reports (docs/reference.md).

Every number is a `Measured`: a value with its 95 % interval, or with the reason why it has none. A section that was
not asked for is None.
"""

from typing import Final, Literal

from lymphoscope.evaluation.measured import Bootstrap, Measured, Scores, Section

FORMAT_VERSION: Final = 2


class Confusion(Section):
    """Counts (K, K): rows the label, columns what was called."""

    labels: list[str]
    matrix: list[list[int]]


class SubjectScores(Section):
    """One subject's cells; `accuracy` has an exact binomial (Clopper-Pearson) interval."""

    subject: str
    label: str
    cells: int
    correct: int
    accuracy: Measured
    blast_fraction: float | None


class Refer(Section):
    """Which cells a person must look at, and how the others fare.

    `missed_blasts` is the share of all blasts that were signed off as another class: called so, and not referred.
    """

    cells: int
    fraction: float
    reasons: dict[str, int]
    kept_cells: int
    kept_accuracy: Measured
    missed_blasts: Measured
    stated_miss_rate: float | None = None


class Bin(Section):
    """One bin of the reliability diagram: scores from `low` up to `high`, their mean, and the share that was right."""

    low: float
    high: float
    cells: int
    score: float
    correct: float


class CalibrationErrors(Section):
    """Three measures of a score as a probability; lower is better."""

    ece: Measured
    brier: Measured
    log_loss: Measured


class Calibration(Section):
    """Whether a score of 0.9 is right nine times in ten: as predicted, and as the streams' plain mean softmax.

    `binning` states how ECE was binned; `bins` are those of the score as predicted.
    """

    binning: str
    as_predicted: CalibrationErrors
    uncalibrated: CalibrationErrors
    bins: list[Bin]


class Signal(Section):
    """One way to rank cells by doubt. `curve` holds (coverage, risk): the share kept, and the share of errors in it."""

    name: str
    meaning: str
    cells: int
    area: Measured
    curve: list[tuple[float, float]]


class RiskCoverage(Section):
    """Each signal's risk-coverage curve and its area (lower is better).

    `disagreement_minus_score` is the area of ranking by stream disagreement less that of ranking by the plain score,
    on the same cells: above 0 the plain score ranks mistakes better. `point` is (coverage, risk) of `refer` as stored.
    """

    signals: list[Signal]
    disagreement_minus_score: Measured
    verdict: str
    point: tuple[float, float] | None


class BlastShare(Section):
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
    share: Measured
    corrected: Measured
    side: Literal["above", "below", "undecided"]
    more_cells: int | None
    enough_cells: bool


class Curve(Section):
    """Points of a ROC curve."""

    false_positive: list[float]
    true_positive: list[float]


class SubjectLevel(Section):
    """From cells to people: blast share of each subject and slide, and the ROC of telling subjects apart by it.

    `left_out` cells have no prediction or no subject.
    """

    stated_percentage: float
    fewest_cells: int
    left_out: int = 0
    subjects: list[BlastShare]
    slides: list[BlastShare]
    auc: Measured
    roc: Curve | None


class LabelDoubt(Section):
    """A cell whose label the model, which had not seen it, doubts: `quality` 0-1, low is doubtful."""

    path: str
    subject: str | None
    label: str
    suggested: str
    quality: float


class LabelDoubts(Section):
    """The cells whose labels are most doubtful, by confident learning, most doubtful first."""

    method: str
    cells: int
    found: list[LabelDoubt]
    reason: str | None = None


class Leak(Section):
    """One cell of the judged part that training had seen, or its twin; `kind` says how."""

    kind: Literal["subject", "duplicate", "near-duplicate"]
    path: str
    other: str
    detail: str


class Leakage(Section):
    """Whether the judged cells are new to the model. `without` scores those that are, where asked for."""

    checked: list[str]
    allowed: bool
    leaking_cells: int
    leaks: list[Leak]
    without: Scores | None = None
    reason: str | None = None


class MapScore(Section):
    """One way to say where the model looked. Deletion: lower is better. Insertion: higher is better."""

    name: str
    deletion: Measured
    insertion: Measured
    deletion_curve: list[float]
    insertion_curve: list[float]


class HeatMaps(Section):
    """Whether the maps show what the score rests on: pixels taken away, or brought in, in the order of a map.

    The differences are attention less random, cell by cell. `verdict` says in words which is better, `note` how the
    cells were drawn and what the score was.
    """

    cells: int
    steps: int
    maps: list[MapScore]
    attention_minus_random_deletion: Measured
    attention_minus_random_insertion: Measured
    verdict: str
    note: str | None = None


class ShiftStep(Section):
    """Scores of the same cells under one change of one strength; `amount` says the strength in its own unit."""

    change: str
    level: int
    amount: str
    scores: Scores
    fallen: bool


class Shift(Section):
    """Where the model breaks: graded changes of the picture, and the scores under each.

    `fallen` marks a step whose balanced accuracy is lower than unchanged, its paired interval excluding 0. `note` says
    where the cells are a draw of more, or some could not be read.
    """

    cells: int
    unchanged: Scores
    steps: list[ShiftStep]
    note: str | None = None


class Metrics(Section):
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
    by_subject: list[SubjectScores]
    refer: Refer
    folds: list[Scores] | None = None
    calibration: Calibration | None = None
    risk_coverage: RiskCoverage | None = None
    subject_level: SubjectLevel | None = None
    label_doubts: LabelDoubts | None = None
    leakage: Leakage | None = None
    heat_maps: HeatMaps | None = None
    shift: Shift | None = None
