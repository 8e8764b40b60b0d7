"""ImageNet weights: from the cache where they are there, one line within seconds where they are not."""

import socket
import time
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from lymphoscope.backbones import create_backbone
from lymphoscope.errors import LymphoscopeError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a network in which nobody answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def put_in_cache(cache: Path, name: str, tensors: dict[str, torch.Tensor]) -> None:
    repository = timm.get_pretrained_cfg(name).hf_hub_id
    folder = cache / f"models--{repository.replace('/', '--')}"
    revision = "0" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision).mkdir(parents=True)
    save_file(tensors, folder / "snapshots" / revision / "model.safetensors")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_weights_in_the_cache_are_taken(cache: Path, name: str) -> None:
    torch.manual_seed(7)
    trained = timm.create_model(name).eval()
    put_in_cache(cache, name, trained.state_dict())
    backbone = create_backbone(name, pretrained=True).eval()
    for key, tensor in backbone.body.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[key]), key


def test_weights_that_do_not_fit_are_refused(cache: Path) -> None:
    put_in_cache(cache, "test_resnet", {"conv1.0.weight": torch.zeros(1), "fc.weight": torch.zeros(1000, 1)})
    with pytest.raises(LymphoscopeError, match="test_resnet: timm's weights do not fit"):
        create_backbone("test_resnet", pretrained=True)


def test_without_a_network_one_line_says_what_to_do_at_once(cache: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(LymphoscopeError, match=r"resnet18: .* can't be had here .*; set pretrained: false") as refusal:
        create_backbone("resnet18", pretrained=True)
    assert time.monotonic() - begun < 8
    assert "\n" not in str(refusal.value)
    assert str(cache) in str(refusal.value)


def test_weights_that_are_no_safetensors_are_refused(cache: Path) -> None:
    with pytest.raises(LymphoscopeError, match="timm has no safetensors weights of it; set pretrained: false"):
        create_backbone("legacy_seresnext26_32x4d", pretrained=True)
