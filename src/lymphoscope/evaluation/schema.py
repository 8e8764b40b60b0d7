"""The content of metrics.json, format 3, which evaluation writes and reports read.

Every number is an `Estimate`: a value with its 95 % interval, or the reason why there is none. A section that was not
computed is null.
"""

from typing import Final, Literal

from pydantic import Field

from lymphoscope.evaluation.estimates import Bootstrap, Estimate, Scores
from lymphoscope.strict_model import StrictModel

FORMAT_VERSION: Final = 3


class Confusion(StrictModel):
    """The confusion matrix, in cells."""

    labels: list[str] = Field(description="The classes, in the order of rows and columns.")
    matrix: list[list[int]] = Field(description="Counts (K, K): rows the label, columns the prediction.")


class SubjectScores(StrictModel):
    """The labelled cells of one subject."""

    subject: str = Field(description="The subject.")
    label: str = Field(description="The labels of its cells, joined by commas.")
    cells: int = Field(description="Number of its labelled cells.")
    correct: int = Field(description="How many of them are predicted as labelled.")
    accuracy: Estimate = Field(description="Their share, with an exact binomial (Clopper-Pearson) interval.")
    blast_fraction: float | None = Field(
        description="Share of its cells predicted as blasts, 0-1; null without a blast class."
    )


class SubjectSpread(StrictModel):
    """How a metric differs between subjects: its values on the cells of each subject that it depends on."""

    subjects: int = Field(description="Number of subjects with such cells.")
    mean: float = Field(description="Mean over these subjects.")
    standard_deviation: float | None = Field(description="Standard deviation over them; null for one subject.")
    lowest: float = Field(description="The lowest value.")
    median: float = Field(description="The median.")
    highest: float = Field(description="The highest value.")


class Referral(StrictModel):
    """Which cells are referred to a person, and the errors among the cells that are accepted without one."""

    cells: int = Field(description="Number of referred cells of the whole table, unlabelled ones too.")
    fraction: float = Field(description="Their share of all cells, 0-1.")
    reasons: dict[str, int] = Field(description="Number of cells for each reason; a cell may have several.")
    accepted_cells: int = Field(description="Number of labelled cells that are not referred.")
    accepted_accuracy: Estimate = Field(description="Accuracy on the labelled cells that are not referred.")
    missed_blasts: Estimate = Field(
        description="Share of all blasts that are predicted as another class and not referred."
    )
    missed_blasts_of_subjects: Estimate | None = Field(
        default=None,
        description="The same averaged over the subjects with blasts, as the promise of the referral is; "
        "null where a cell has no subject.",
    )
    stated_miss_rate: float | None = Field(
        default=None,
        description="The share of a new subject's blasts, 0-1, that the model's referral promises to miss at most; "
        "null where it promises nothing.",
    )
    promise: list[str] = Field(default=[], description="What the model's referral promises, in sentences.")


class PredictiveValues(StrictModel):
    """What predictions are worth at one prevalence, if sensitivity and specificity stay as measured."""

    prevalence: float = Field(description="Share of blasts among the cells, 0-1.")
    of_these_cells: bool = Field(description="Whether it is that of the evaluated cells; otherwise it is assumed.")
    positive_value: Estimate = Field(
        description="Share of the predicted blasts that are blasts (PPV). The range moves the intervals of sensitivity "
        "and specificity to their lower, and to their upper ends, and is wider than a 95 % interval."
    )
    negative_value: Estimate = Field(description="Share of the other predictions that are not blasts (NPV).")
    referred: float = Field(description="Share of cells that are referred to a person.")


class Bin(StrictModel):
    """One bin of the reliability diagram."""

    low: float = Field(description="Lower edge of the bin, a score of the predicted class.")
    high: float = Field(description="Upper edge of the bin.")
    cells: int = Field(description="Number of cells in the bin.")
    score: float = Field(description="Mean score of the predicted class, 0-1.")
    correct: float = Field(description="Share of the cells predicted as labelled, 0-1.")


class Calibration(StrictModel):
    """How far a score can be read as a probability."""

    binning: str = Field(description="How the expected calibration error (ECE) is binned.")
    as_predicted: dict[str, Estimate] = Field(description="Calibration errors of the score as predicted, by name.")
    uncalibrated: dict[str, Estimate] = Field(
        description="The same of the mean softmax of the streams, before calibration."
    )
    bins: list[Bin] = Field(description="The reliability diagram of the score as predicted.")


class Signal(StrictModel):
    """One uncertainty score that ranks cells, most uncertain first."""

    name: str = Field(description="Name of the uncertainty score.")
    meaning: str = Field(description="What it is, in words.")
    cells: int = Field(description="Number of cells for which it is known.")
    area: Estimate = Field(description="Area under the risk-coverage curve; lower is better.")
    curve: list[tuple[float, float]] = Field(
        description="(coverage, risk): the share of cells accepted, and the share of errors among them."
    )


class RiskCoverage(StrictModel):
    """How well each uncertainty score ranks errors."""

    signals: list[Signal] = Field(description="The risk-coverage curve of each uncertainty score.")
    disagreement_minus_score: Estimate = Field(
        description="Area of ranking by stream disagreement minus that of ranking by the score, on the same cells; "
        "above 0 the score ranks errors better."
    )
    verdict: str = Field(description="Which of the two ranks errors better, in one sentence.")
    operating_point: tuple[float, float] | None = Field(
        description="(coverage, risk) of the referral decisions in the table; null where every cell is referred."
    )


class BlastShare(StrictModel):
    """The share of blasts among the cells of one subject, or of one of its slides."""

    subject: str = Field(description="The subject.")
    slide: str | None = Field(description="The slide; null for a whole subject.")
    label: str | None = Field(description="The commonest label of the cells; null where none is labelled.")
    cells: int = Field(description="Number of cells with a prediction.")
    predicted_positive: int = Field(description="How many of them are predicted as blasts.")
    share: Estimate = Field(description="Share of cells predicted as blasts, with an exact binomial interval.")
    corrected: Estimate = Field(description="The share corrected for the classifier's errors (Rogan and Gladen).")
    side: Literal["above", "below", "undecided"] = Field(
        description="On which side of the blast threshold the whole interval of `corrected` lies; undecided without it."
    )
    more_cells: int | None = Field(
        description="Number of further cells, at the same share, after which the exact interval of `share`, which "
        "takes every prediction as correct, would lie on one side; null where it does or no practical number would do."
    )
    enough_cells: bool = Field(description="Whether there are at least `min_cells` cells.")


class Curve(StrictModel):
    """Points of a ROC curve."""

    false_positive: list[float] = Field(description="False positive rates, rising from 0 to 1.")
    true_positive: list[float] = Field(description="True positive rates, rising from 0 to 1.")


class DecisionPoint(StrictModel):
    """The net benefit of acting from one risk on."""

    threshold: float = Field(description="The risk from which on somebody acts, 0-1.")
    net_benefit: Estimate = Field(
        description="Share of all subjects that are found, less threshold / (1 - threshold) times the share that are "
        "false alarms. Its interval is made of the exact ones of the shares of subjects found and of false alarms."
    )
    act_on_all: float = Field(description="The same of acting on every subject; of acting on none it is 0.")


class DecisionCurve(StrictModel):
    """Net benefit of acting on subjects by their share of predicted blasts, taken as a risk."""

    prevalence: float = Field(description="Share of subjects with the blast label, 0-1.")
    of_these_subjects: bool = Field(description="Whether it is that of these subjects; otherwise it is assumed.")
    points: list[DecisionPoint] = Field(description="One point per threshold.")


class SubjectLevel(StrictModel):
    """From cells to people: the blast share of each subject and slide, and how well it tells subjects apart."""

    blast_threshold: float = Field(description="Blast percentage (0-100) that each share is compared with.")
    min_cells: int = Field(description="Smallest recommended number of cells per smear (ICSH).")
    excluded_cells: int = Field(default=0, description="Number of cells without a prediction or without a subject.")
    subjects: list[BlastShare] = Field(description="One entry per subject.")
    slides: list[BlastShare] = Field(description="One entry per slide of a subject.")
    auc: Estimate = Field(description="AUC of the blast share for telling subjects with the blast label from others.")
    roc: Curve | None = Field(description="The ROC curve of the same; null where it is undefined.")
    decision_curves: list[DecisionCurve] = Field(
        default=[], description="Decision curves at several prevalences; empty where the ROC curve is undefined."
    )


class LabelError(StrictModel):
    """A labelled cell that the model, which was not trained on it, finds unlikely to be of its label."""

    path: str = Field(description="Path of the cell.")
    subject: str | None = Field(description="Its subject.")
    label: str = Field(description="Its label.")
    suggested: str = Field(description="The class of the highest score.")
    quality: float = Field(description="The score of the given label, 0-1; low is doubtful.")


class LabelErrors(StrictModel):
    """The cells with the most doubtful labels, by confident learning."""

    method: str = Field(description="How the cells were selected and ranked.")
    cells: int = Field(description="Number of labelled cells with a prediction.")
    flagged: list[LabelError] = Field(description="The doubtful cells, most doubtful first.")
    reason: str | None = Field(default=None, description="Why there is no list.")


class Leak(StrictModel):
    """A cell of the evaluation set that training may have seen."""

    kind: Literal["subject", "duplicate", "near-duplicate"] = Field(description="What it shares with training.")
    path: str = Field(description="Path of the cell.")
    other: str = Field(description="The training cell or subject.")
    detail: str = Field(description="The match in words.")


class Leakage(StrictModel):
    """What the evaluation set shares with the training set."""

    checked: list[str] = Field(description="The leak checks that ran.")
    allowed: bool = Field(description="Whether leaks were allowed for this run by `--allow-leak`.")
    leaking_cells: int = Field(description="Number of leaking cells.")
    leaks: list[Leak] = Field(description="Every leak found.")
    scores_without_leaks: Scores | None = Field(
        default=None, description="Scores of the cells that do not leak, where requested."
    )
    reason: str | None = Field(default=None, description="Why leaks could not be ruled out, or scores not computed.")


class MapScore(StrictModel):
    """One kind of saliency map, tested by deleting and inserting pixels in its order."""

    name: str = Field(description="Name of the map.")
    deletion: Estimate = Field(description="Area under the deletion curve; lower is better.")
    insertion: Estimate = Field(description="Area under the insertion curve; higher is better.")
    deletion_curve: list[float] = Field(description="Mean score after each step of deletion.")
    insertion_curve: list[float] = Field(description="Mean score after each step of insertion.")


class Saliency(StrictModel):
    """Whether the maps show what the score depends on."""

    cells: int = Field(description="Number of cells tested.")
    steps: int = Field(description="Number of steps of the curves.")
    maps: list[MapScore] = Field(description="The result for each map.")
    attention_minus_random_deletion: Estimate = Field(
        description="Deletion area of the attention map minus that of a random map, cell by cell."
    )
    attention_minus_random_insertion: Estimate = Field(description="The same for insertion.")
    verdict: str = Field(description="Which is better, in words.")
    note: str | None = Field(default=None, description="How the cells were sampled and what the score was.")


class CorruptionStep(StrictModel):
    """Scores of the same cells under one corruption of one level."""

    corruption: str = Field(description="Name of the corruption.")
    level: int = Field(description="Its level, 1 (weakest) upwards.")
    amount: str = Field(description="Its strength in its own unit.")
    scores: Scores = Field(description="Scores under the corruption.")
    significant_drop: bool = Field(
        description="Whether balanced accuracy fell: the paired 95 % interval of the difference lies below 0."
    )


class Robustness(StrictModel):
    """Scores under graded image corruptions."""

    cells: int = Field(description="Number of cells tested.")
    uncorrupted: Scores = Field(description="Scores of the same cells without corruption.")
    steps: list[CorruptionStep] = Field(description="Every corruption at every level.")
    note: str | None = Field(default=None, description="How the cells were sampled, and how many could not be read.")


class Metrics(StrictModel):
    """The content of metrics.json."""

    format_version: Literal[3] = Field(default=FORMAT_VERSION, description="Version of this format.")
    cells: int = Field(description="Number of rows of the predictions table.")
    evaluated: int = Field(description="Number of cells with a label and a prediction: the evaluation set.")
    failed: int = Field(description="Number of cells without a prediction.")
    missing: int = Field(
        default=0, description="Number of labelled cells of the data that the table of predictions does not list."
    )
    notices: list[str] = Field(
        default=[], description="What a reader must know about the cells: what was not read, left out or doubtful."
    )
    unlabelled: int = Field(description="Number of cells with a prediction but no label.")
    subjects: int = Field(description="Number of subjects in the evaluation set.")
    classes: list[str] = Field(description="The classes, in the model's order.")
    blast_class: str | None = Field(description="The class that is the blast class.")
    prevalence: float | None = Field(description="Share of blasts in the evaluation set, 0-1.")
    bootstrap: Bootstrap = Field(description="How the intervals were drawn.")
    vote: Scores = Field(
        description="Scores of the vote, with the mean softmax of the streams as its score; every cell weighs the same."
    )
    subject_mean: Scores | None = Field(
        default=None,
        description="Scores of the vote as means over subjects: each subject weighs the same for each class of its "
        "cells, while in `vote` each cell does. Null where a cell has no subject.",
    )
    subject_spread: dict[str, SubjectSpread] = Field(
        default_factory=dict, description="Sensitivity and specificity subject by subject, by metric."
    )
    streams: dict[str, Scores] = Field(description="Scores of each stream on the cells for which it ran.")
    constant_baselines: dict[str, Scores] = Field(description="Scores of always predicting one class, by class.")
    confusion: Confusion = Field(description="The confusion matrix of the vote.")
    per_subject: list[SubjectScores] = Field(description="One entry per subject, lowest accuracy first.")
    referral: Referral = Field(description="Which cells are referred to a person.")
    predictive_values: list[PredictiveValues] = Field(
        default=[], description="PPV, NPV and referred share at several prevalences; empty without a blast class."
    )
    folds: list[Scores] | None = Field(
        default=None, description="Scores of each fold of a cross-validation, of which `vote` is the pooled result."
    )
    calibration: Calibration | None = Field(default=None, description="How far a score is a probability.")
    risk_coverage: RiskCoverage | None = Field(default=None, description="How well uncertainty ranks errors.")
    subject_level: SubjectLevel | None = Field(default=None, description="Blast shares of subjects and slides.")
    label_errors: LabelErrors | None = Field(default=None, description="Cells with doubtful labels.")
    leakage: Leakage | None = Field(default=None, description="What the evaluation set shares with training.")
    saliency: Saliency | None = Field(default=None, description="Test of the saliency maps.")
    robustness: Robustness | None = Field(default=None, description="Scores under image corruptions.")
