"""A model folder -> ONNX and OpenVINO files of its network, or of the whole algorithm."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any, Literal

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.model_file.folder import load_network

OPSET = 20
GraphName = Literal["network", "algorithm1"]


def write_onnx(folder: Path, out: Path, *, graph: GraphName = "network", takes: str = "float32") -> None:
    """Write the model of `folder` as one ONNX file with any number of cells, `takes` uint8 or float32 (0-255).

    Raises LymphoscopeError where the folder is no model, and for the algorithm of a model without attention.
    """
    import torch

    from lymphoscope.model_file.export.graphs import ALGORITHM1_OUTPUTS, NETWORK_OUTPUTS, Algorithm1Graph, NetworkGraph

    network, description = load_network(folder)
    if graph == "algorithm1" and description.architecture.head != "attention":
        raise LymphoscopeError(f"{description.name} has a linear head: Algorithm 1 needs a model with attention")
    whole = graph == "algorithm1"
    module = (Algorithm1Graph if whole else NetworkGraph)(network, description).eval()
    side = description.preprocessing.size
    cells = torch.zeros(2, side, side, 3, dtype=getattr(torch, takes))
    with written_beside(out) as beside, torch.no_grad(), _quietly():
        torch.onnx.export(
            module,
            (cells,),
            beside,
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(ALGORITHM1_OUTPUTS if whole else NETWORK_OUTPUTS),
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
        _without_traces(beside)


def _without_traces(written: Path) -> None:
    """Remove what the exporter notes of each node: where in which file of this machine it was made."""
    import onnx

    model = onnx.load(written)
    for holder in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    onnx.save(model, written)


def write_openvino(model: Any, out: Path) -> None:
    """Write an OpenVINO model as `out` (.xml) and the .bin beside it, in the precision that it has."""
    import openvino

    out.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(out), compress_to_fp16=False)


@contextlib.contextmanager
def _quietly() -> Any:
    """Keep the exporter's own chatter off the terminal; what fails is raised all the same."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
