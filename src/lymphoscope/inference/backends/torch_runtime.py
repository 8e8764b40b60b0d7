"""PyTorch, from the weights of the model folder. `torch_network.py`, which imports torch, is imported on opening."""

from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.inference.backends.registry import OpenOptions, RuntimeInfo

if TYPE_CHECKING:
    from lymphoscope.inference.backends.protocol import NetworkRuntime
    from lymphoscope.model_file import Description


def open_network(folder: Path, _description: "Description", options: OpenOptions) -> "NetworkRuntime":
    """Open a model folder on a device."""
    from lymphoscope.inference.backends.torch_network import TorchNetwork

    return TorchNetwork(
        folder,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        compile=options.compile,
    )


RUNTIME = RuntimeInfo(
    name="torch",
    title="PyTorch",
    module="torch",
    extra="train",
    precisions=("float32", "bfloat16"),
    devices=("cpu", "cuda", "mps"),
    priority=10,
    open=open_network,
    compiles=True,
)
