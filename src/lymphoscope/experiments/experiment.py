"""One door to every experiment: a request -> a result, written as page, CSV and JSON."""

from pathlib import Path

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.grid_experiment import run_grid
from lymphoscope.experiments.request import Request, check_terms
from lymphoscope.experiments.result import Result
from lymphoscope.experiments.table3 import COUNT_COLUMNS, count_rows
from lymphoscope.experiments.write import write_result
from lymphoscope.runs.provenance import provenance

FLOPS = (
    "FLOPS in the paper are one pass's. Ours come within 3 % of them at 312 pixels, not at the 300 of its text; "
    "MobileNetV2's are 5 % lower there too."
)


def reproduce(request: Request) -> tuple[Result, Path]:
    """Run an experiment, go on with one that was stopped, and write its result; return it and its page.

    Raises LymphoscopeError, one line, for wrong words, before any work; and where the folder holds another's runs.
    """
    from lymphoscope.experiments.pictures import run_figure

    definition = load_definition(request.name)
    if request.data is None:
        raise LymphoscopeError(f"{request.name} needs cells: name them with --data SRC")
    check_terms(request)
    result = run_grid(request) if definition.kind == "grid" else run_figure(request)
    result = made(result)
    return result, write_result(result, request.out)


def count_only(request: Request) -> Result:
    """Table 3's counts beside the paper's, without data. Raises LymphoscopeError for an experiment without counts."""
    if request.name != "table3":
        raise LymphoscopeError(f"--counts-only: {request.name} has no counts, table3 has")
    definition = load_definition("table3")
    rows = count_rows(request.only)
    return made(
        Result(
            name="table3_counts",
            title="Table 3: the counts",
            claim="Table 3 prints the parameters and FLOPS of ten backbones with and without WT-DFN, to two decimals.",
            protocol=[definition.protocol[2], FLOPS],
            columns=COUNT_COLUMNS,
            rows=rows,
        )
    )


def made(result: Result) -> Result:
    """The result with the command, commit, device and date of its making."""
    how = provenance()
    facts = {"command": how.command, "commit": how.commit, "device": how.device, "date": how.date}
    return result.model_copy(update=facts)
