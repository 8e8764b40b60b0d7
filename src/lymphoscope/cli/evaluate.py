"""`lymphoscope evaluate`: a model and labelled cells, or predictions alone -> numbers with intervals, a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lymphoscope.cli.words import SOURCE_HELP, AllowLeak, Json, Out, SubjectPattern
from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.evaluation import Estimate, Metrics
    from lymphoscope.runs import RunFolder

_NAME_ONE = "name a MODEL and its cells with --data, or --predictions FILE"
_MODEL, _PREDICTIONS, _FOLDS = "a model", "predictions alone", "a cross-validation, judged as it was begun"
_LEFT_OUT = {
    _MODEL: {"blast_class", "out_of_fold"},
    _PREDICTIONS: {"allow_leak", "show_leak", "shift", "shift_cells", "saliency", "erase", "device"},
    _FOLDS: {
        "data", "subject_pattern", "part", "blast_class", "out_of_fold", "allow_leak", "show_leak", "erase", "device",
    },
}  # fmt: skip
"""What is judged, and the words that say nothing of it."""


def evaluate(
    context: typer.Context,
    out: Out,
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="A model folder, RUN/model, or a cross-validation's RUN, judged by its folds on their held-out cells.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SRC",
            help=f"{SOURCE_HELP} With --predictions, labels and subjects by path.",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge these predictions alone, without a model.", show_default=False),
    ] = None,
    part: Annotated[
        Literal["all", "train", "validation", "test"] | None,
        typer.Option(help="Which part of the data's split; test where there is one, else all.", show_default=False),
    ] = None,
    blast_class: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --predictions: the class that sensitivity is of; by its name (all, blast, lymphoblast) without.",
            show_default=False,
        ),
    ] = None,
    out_of_fold: Annotated[
        bool,
        typer.Option("--out-of-fold", help="With --predictions: no model had seen its subjects."),
    ] = False,
    allow_leak: AllowLeak = False,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Print the scores with and without the cells that training had seen.")
    ] = False,
    shift: Annotated[
        bool, typer.Option("--shift", help="Score the cells under graded changes too: 46 predictions a cell.")
    ] = False,
    shift_cells: Annotated[
        int | None, typer.Option("--shift-cells", min=10, help="Draw so many cells for --shift; all without it.")
    ] = None,
    saliency: Annotated[
        bool, typer.Option("--heat-maps", help="Test whether the attention maps show what the answer rests on.")
    ] = False,
    erase: Annotated[
        Literal["always", "on_disagreement"],
        typer.Option(help="Run the erase stream always, or only where raw and crop disagree."),
    ] = "always",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates for the intervals.")] = 2000,
    stated_percentage: Annotated[
        float,
        typer.Option(
            "--stated-percentage",
            min=0.1,
            max=99.9,
            help="The share of blasts that each subject is held against, in %.",
        ),
    ] = 20.0,
    subject_pattern: SubjectPattern = None,
    as_json: Json = False,
) -> None:
    """Judge a model on labelled cells: predictions.parquet, metrics.json, model_card.md and report.html in --out.

    Cells that the model was trained on, their twins and their subjects are refused unless --allow-leak is given.
    With --predictions FILE in place of MODEL the numbers come from that file alone.
    """
    from lymphoscope.data import read_source
    from lymphoscope.runs import EvaluationOptions, RunFolder, Stress, evaluate_folds, folds_begun

    folds = model is not None and folds_begun(RunFolder(model)) > 0
    _check_words(context, folds=folds)
    folder, stress = RunFolder(out), Stress(shift=shift, saliency=saliency, shift_cells=shift_cells)
    how = EvaluationOptions(replicates, stated_percentage)
    manifest = None if data is None else read_source(data, subject_pattern=subject_pattern)
    if predictions is not None:
        from lymphoscope.runs import evaluate_predictions_file

        metrics = evaluate_predictions_file(
            predictions,
            folder,
            data=manifest,
            part=part,
            blast_class=blast_class,
            out_of_fold=out_of_fold,
            how=how,
        )
    elif model is not None and folds:
        metrics = evaluate_folds(RunFolder(model), folder, stress=stress, how=how)
    else:
        from lymphoscope.inference import load
        from lymphoscope.runs import evaluate_run, part_to_judge, training_cells_of_model

        if model is None or manifest is None:
            raise LymphoscopeError(_NAME_ONE)
        # Grad-CAM needs gradients, which torch alone has.
        loaded = load(model, device=device, erase=erase, runtime="torch" if saliency else "auto")
        metrics = evaluate_run(
            loaded,
            manifest,
            folder,
            "Evaluation",
            known=training_cells_of_model(model, loaded.description),
            allow_leak=allow_leak,
            show_leak=show_leak,
            stress=stress,
            part=part_to_judge(manifest, part),
            how=how,
        )
    _say(metrics, folder, show_leak=show_leak, as_json=as_json)


def _check_words(context: typer.Context, *, folds: bool) -> None:
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    if {"model", "predictions"} <= given:
        raise LymphoscopeError("MODEL and --predictions: name one of them")
    if not {"model", "predictions"} & given:
        raise LymphoscopeError(_NAME_ONE)
    judged = _FOLDS if folds else _PREDICTIONS if "predictions" in given else _MODEL
    idle = sorted(f"--{name.replace('_', '-')}" for name in given & _LEFT_OUT[judged])
    if idle:
        raise LymphoscopeError(f"{', '.join(idle)}: not for {judged}, leave it out")


def _say(metrics: "Metrics", folder: "RunFolder", *, show_leak: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2))
    else:
        if show_leak:
            typer.echo(_with_and_without(metrics))
        typer.echo(f"report: {folder.report}")
    if metrics.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _with_and_without(metrics: "Metrics") -> str:
    from lymphoscope.evaluation import METRICS

    leakage = metrics.leakage
    if leakage is None or not leakage.leaks:
        return "no judged cell leaks" + (f" ({leakage.reason})" if leakage and leakage.reason else "")
    head = f"{leakage.leaking_cells} of {metrics.evaluated} cells leak"
    if leakage.without is None:
        return f"{head}; {leakage.reason}"
    rows = [
        f"{name.replace('_', ' '):18}{_shown(getattr(metrics.vote, name)):26}{_shown(getattr(leakage.without, name))}"
        for name in METRICS
    ]
    return "\n".join([head, f"{'':18}{'all cells':26}without those", *rows])


def _shown(entry: "Estimate") -> str:
    if entry.value is None:
        return "none"
    return f"{entry.value:.3f}" + (f" ({entry.low:.3f} to {entry.high:.3f})" if entry.low is not None else "")
