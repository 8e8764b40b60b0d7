"""The claims in the paper's text, and what arithmetic on the paper's own numbers says about each."""

from dataclasses import dataclass
from typing import Final, Literal

from lymphoscope.data.sources.cnmc import PUBLISHED
from lymphoscope.experiments.definition import load_definition

Status = Literal[
    "reproduced",
    "arithmetic agrees",
    "not reproduced",
    "undecided",
    "needs the full data",
    "needs the challenge's server",
    "contradicted by the paper itself",
]
MEANINGS: Final[dict[Status, str]] = {
    "reproduced": "counted here with the printed result, or measured here with an interval within 0.95 points of it",
    "arithmetic agrees": "follows from the paper's own numbers, or from a count with a stated assumption; of "
    "multiply-adds, one pass at the 300 pixels of the text is within 3 %",
    "not reproduced": "counted or measured here, with another result",
    "undecided": "measured here; the interval contains the printed number and values more than 0.95 points from it",
    "needs the full data": "the command exists; all of C-NMC, or the authors' private cells (PD), do not exist here",
    "needs the challenge's server": "the labels of Phase-III are not public",
    "contradicted by the paper itself": "two statements of the paper exclude each other",
}
EQUIVALENCE_MARGIN = 0.95
"""Points of a score: the improvement that the paper claims in Table 1. Smaller differences are none."""
_CENT = 0.005 + 1e-9


@dataclass(frozen=True)
class Claim:
    """A claim of the text: its section, what it says, its status, and the reason."""

    section: str
    text: str
    status: Status
    reason: str


def constant_weighted_f1(prevalence: float) -> float:
    """WF1S of predicting every cell malignant: the malignant class has F1 2p / (1 + p), the other 0."""
    return prevalence * 2 * prevalence / (1 + prevalence)


def paper_claims() -> list[Claim]:
    """Every claim, in the order of the paper."""
    claims = [*_data_claims(), *_table_1_claims(), *_figure_claims(), *_table_3_claims(), *_table_4_claims()]
    return sorted(claims, key=lambda claim: claim.section)


def check_difference(section: str, text: str, claimed: float, first: float, second: float) -> Claim:
    """A claim that `first` minus `second` is `claimed`."""
    difference = first - second
    status: Status = "arithmetic agrees" if abs(difference - claimed) <= _CENT else "contradicted by the paper itself"
    return Claim(section, text, status, f"{first:.2f} - {second:.2f} = {difference:.2f}")


def _printed(table: str, run: str, column: str) -> float:
    return load_definition(table).runs[run].published[column]


def _data_claims() -> list[Claim]:
    cancer, normal = 47 + 13 + 9, 26 + 15 + 8
    counted = f"the same paragraph lists 47 + 13 + 9 = {cancer} cancer and 26 + 15 + 8 = {normal} normal subjects"
    malignant = 100 * 1478 / 2333
    constant = 100 * constant_weighted_f1(0.6696)
    return [
        Claim("2.5", "C-NMC has 84 cancer and 70 normal subjects", "contradicted by the paper itself", counted),
        *_phase_claims(),
        Claim("2.5", "PD: 1478 and 855 cells", "arithmetic agrees", f"{1478 + 855}, as in Figure 2 and section 4"),
        Claim(
            "2.5, Table 3",
            "4/5 of the images of each class of PD train, 1/5 test",
            "contradicted by the paper itself",
            f"{malignant:.2f} % of PD are malignant; MobileNetV2 without WT-DFN has AUC 50.00 and accuracy 66.96, a "
            f"constant guess at a prevalence of 66.96 % (its WF1S would be {constant:.2f}, 53.72 is printed)",
        ),
        Claim(
            "2.5, 3.6",
            "PD was split once, and was cross-validated in five folds",
            "contradicted by the paper itself",
            "section 2.5 has one split into 4/5 and 1/5, section 3.6 five folds; Table 3 has no deviations",
        ),
        Claim(
            "3.1",
            "polynomial decay of 0.95 after every 2 epochs",
            "contradicted by the paper itself",
            "a factor every two epochs is exponential decay; it is what we take",
        ),
        Claim(
            "3.1, Table 1",
            "means and variances of the five folds",
            "contradicted by the paper itself",
            "Table 1 prints ± in %, which is a deviation; section 3.2 calls it one",
        ),
    ]


def _phase_claims() -> list[Claim]:
    """What the names and sizes of C-NMC's 15,114 official files show; a test counts them if the list exists."""
    listed = "counted in the names of the official files"
    (malignant, cancer), (normal, healthy) = PUBLISHED["phase-1", "all"], PUBLISHED["phase-1", "hem"]
    (malignant_2, cancer_2), (normal_2, healthy_2) = PUBLISHED["phase-2", "all"], PUBLISHED["phase-2", "hem"]
    cells_3, subjects_3 = PUBLISHED["phase-3", None]
    first = f"Phase-I: {malignant} malignant cells of {cancer} subjects, {normal} normal of {healthy}"
    second = f"Phase-II: {malignant_2} malignant cells of {cancer_2} subjects, {normal_2} normal of {healthy_2}"
    return [
        Claim("2.5", first, "reproduced", f"{listed}; {malignant + normal:,} cells, as in Figure 2"),
        Claim("2.5", second, "reproduced", f"{listed} and in the challenge's CSV of labels"),
        Claim("2.5", f"Phase-III: {cells_3} cells", "reproduced", listed),
        Claim(
            "2.5",
            "Phase-III: of 9 cancer and 8 normal subjects",
            "needs the challenge's server",
            f"its file names contain no subject; the whole set's 118 less those of Phase-I and II leave {subjects_3}",
        ),
        Claim(
            "2.5",
            "each image has 450 x 450 pixels",
            "not reproduced",
            "the file sizes of Phase-I and II agree; the files of Phase-III have 1,080,054 bytes each, the size of "
            "600 x 600 pixels and not of 450 x 450",
        ),
    ]


def _table_1_claims() -> list[Claim]:
    definition = load_definition("table1")
    ours = definition.runs["wt_dfn"]
    spreads = {name: run.published_spread["fold_weighted_f1"] for name, run in definition.runs.items()}
    best = max(
        (run.published["fold_weighted_f1"] for name, run in definition.runs.items() if name not in ("wt_dfn", "plain"))
    )
    score, plain = ours.published["fold_weighted_f1"], _printed("table1", "plain", "fold_weighted_f1")
    least = min(spreads, key=lambda name: spreads[name])
    return [
        Claim(
            "3.2",
            "a superior accuracy of 83.41 %",
            "contradicted by the paper itself",
            "83.41 is Table 1's WF1S; no accuracy is printed for C-NMC",
        ),
        check_difference("3.2", "0.95 points over the baseline", 0.95, score, plain),
        check_difference("3.2", "at least 0.42 points over CutOut, the best augmentation", 0.42, score, best),
        Claim(
            "3.2",
            "a minor decrease of the deviation with WT-DFN",
            "arithmetic agrees" if least == "wt_dfn" else "contradicted by the paper itself",
            f"{spreads['wt_dfn']:.2f} against {spreads['plain']:.2f}; the smallest of the nine",
        ),
        Claim(
            "3.2",
            "0.95 points are an improvement",
            "needs the full data",
            "the plain network's own deviation over folds is 0.95; the paper has no test. "
            "`lymphoscope reproduce table1` makes a paired one, and `reproduce claim` compares WT-DFN with each of its "
            "parts over ten seeds on frozen features",
        ),
    ]


def _figure_claims() -> list[Claim]:
    lowest = [_printed("figure7", name, "lowest_test_error") for name in ("plain", "wt_dfn")]
    full: Status = "needs the full data"
    server: Status = "needs the challenge's server"
    return [
        Claim("3.3", "about 1.15 % gain over ResNet-18", full, "Figure 6's values are not printed"),
        Claim("3.3", "the gain falls with depth; ResNet-101 is worse than ResNet-50", full, "`reproduce figure6`"),
        Claim("3.4", "92.34 % on Phase-III from ImageNet weights", server, "`reproduce table2` writes the file"),
        Claim(
            "3.4",
            "the best of Table 2's methods",
            "arithmetic agrees",
            "92.30 > 91.04; SDCT-AuxNet's 94.8 (arXiv 2006.00304) is not in the table",
        ),
        Claim("3.5", "lowest test errors 13.96 % and 12.61 %", full, "minima over epochs, chosen on the test cells"),
        check_difference("3.5", "a test error lower by 1.35 %", 1.35, *lowest),
        Claim("3.5", "lower training error after some 50 epochs", full, "`reproduce figure7`"),
        Claim(
            "4",
            "one propagation during testing",
            "contradicted by the paper itself",
            "Algorithm 1 passes the raw image first, since its maps make the other two, and then those",
        ),
        Claim("4", "about 3 times the training time", "arithmetic agrees", "three passes an image instead of one"),
    ]


def _table_3_claims() -> list[Claim]:
    gains = (("resnet18", 22.53, 80.50), ("mobilenet_v2", 31.8, 85.52), ("inception_v1", 12.51, 91.50))
    gained = [
        check_difference(
            "3.6",
            f"{load_definition('table3').runs[f'{name}_with'].title}: WF1S {score:.2f}, {gain:g} points gained",
            gain,
            _printed("table3", f"{name}_with", "weighted_f1"),
            _printed("table3", f"{name}_without", "weighted_f1"),
        )
        for name, gain, score in gains
    ]
    lower_auc = [title for title, change in _changes("auc").items() if change < 0]
    changes = [change for column in ("accuracy", "weighted_f1") for change in _changes(column).values()]
    return [
        *gained,
        Claim(
            "3.6",
            "all models gain WF1S and accuracy",
            "contradicted by the paper itself" if min(changes) < 0 else "arithmetic agrees",
            f"all ten do in Table 3; the AUC of {' and '.join(lower_auc)} falls",
        ),
        Claim(
            "4",
            "an accuracy of about 91.90 % on PD",
            "contradicted by the paper itself",
            "91.90 is InceptionV4's WF1S; its accuracy is 91.97",
        ),
    ]


def _changes(column: str) -> dict[str, float]:
    runs = load_definition("table3").runs
    names = [name.removesuffix("_with") for name in runs if name.endswith("_with")]
    return {
        runs[f"{name}_with"].title.removesuffix(" with WT-DFN"): runs[f"{name}_with"].published[column]
        - runs[f"{name}_without"].published[column]
        for name in names
    }


def _table_4_claims() -> list[Claim]:
    first, last = (_printed("table4", name, "full_epoch_minutes") for name in ("maps_4", "maps_64"))
    growth = 100 * (last - first) / first
    scores = {name: run.published["weighted_f1"] for name, run in load_definition("table4").runs.items()}
    best = max(scores, key=lambda name: scores[name])
    return [
        Claim(
            "3.7",
            "time an epoch grows by 3.48 %",
            "arithmetic agrees",
            f"({last:.2f} - {first:.2f}) / {first:.2f} = {growth:.3f} %, cut and not rounded",
        ),
        Claim("3.7", "about 87 % with M = 32", "arithmetic agrees", "Table 4 prints 87.12"),
        Claim(
            "3.7",
            "the peak is at M = 32",
            "arithmetic agrees" if best == "maps_32" else "contradicted by the paper itself",
            "the highest of Table 4's four; it has no deviations, so whether 64 is worse is not known",
        ),
        Claim(
            "3.7, Table 4",
            "the final WF1S reaches about 87 %",
            "contradicted by the paper itself",
            "Table 4 heads the same number 'Preliminary WF1S'; section 3.4 calls that of Phase-III final",
        ),
    ]
