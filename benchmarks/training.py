"""Speed of a training step: `python benchmarks/training.py`.

Random pictures and fresh networks, so that nothing is downloaded. What do the three streams cost beside the plain
backbone (the paper says about three times), and what does bfloat16 save? Forward, backward and Ranger's step.
"""

import argparse
from collections.abc import Callable

import torch
from timing import in_turns, show
from torch import nn

from lymphoscope.method import WTDFN
from lymphoscope.model_file import Architecture, build_network
from lymphoscope.training import Ranger
from lymphoscope.training.recipe import AttentionRecipe
from lymphoscope.training.streams import ternary_passes


def main() -> None:
    words = _words()
    ways = {
        f"{name}{', bf16' if half else ''}": _step(head, words, half)
        for half in (False, True)
        for name, head in (("plain backbone", "linear"), ("three streams", "attention"))
    }
    threads = torch.get_num_threads()
    print(
        f"{words.backbone} at {words.size} pixels on {words.device}, batches of {words.batch_size}, {threads} threads\n"
    )
    show(in_turns(ways, words.rounds), words.batch_size, reference="plain backbone")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="regnetx_002")
    parser.add_argument("--size", type=int, default=144, help="pixels of the network's input")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def _step(head: str, words: argparse.Namespace, half: bool) -> Callable[[], object]:
    architecture = Architecture.model_validate({"backbone": words.backbone, "head": head})
    network = build_network(architecture, 2).to(words.device, memory_format=torch.channels_last)
    optimiser = Ranger(network.parameters())
    images = torch.randn(words.batch_size, 3, words.size, words.size, device=words.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(words.batch_size, device=words.device) % 2

    def step() -> float:
        optimiser.zero_grad()
        with torch.autocast(words.device, dtype=torch.bfloat16, enabled=half):
            loss = torch.stack([nn.functional.cross_entropy(logits, labels) for logits in _logits(network, images)])
        loss.mean().backward()
        optimiser.step()
        return loss.mean().item()  # waits for the device

    return step


def _logits(network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    if not isinstance(network, WTDFN):
        return [network(images)]
    groups = ternary_passes(network, images, AttentionRecipe(), fill=(0.0, 0.0, 0.0))
    return [stream.logits for group in groups for stream in group]


if __name__ == "__main__":
    main()
