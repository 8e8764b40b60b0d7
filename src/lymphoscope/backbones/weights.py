"""ImageNet weights of timm's models, as safetensors and nothing else."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import timm
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

from lymphoscope.errors import LymphoscopeError

SECONDS_TO_ANSWER = 5.0


def pretrained_file(name: str) -> Path:
    """Safetensors file of a timm model's weights, from the local cache or else downloaded into it.

    Raises LymphoscopeError, within seconds, where timm has no such file for the model or the machine can't fetch it.
    """
    facts = timm.get_pretrained_cfg(name)
    filename = (facts and facts.hf_hub_filename) or constants.SAFETENSORS_SINGLE_FILE
    if facts is None or not facts.hf_hub_id or Path(filename).suffix != ".safetensors":
        raise LymphoscopeError(f"backbone {name}: timm has no safetensors weights of it; set pretrained: false")
    cached = try_to_load_from_cache(facts.hf_hub_id, filename, cache_dir=constants.HF_HUB_CACHE)
    if isinstance(cached, str):
        return Path(cached)
    return _download(name, facts.hf_hub_id, filename)


def _download(name: str, repository: str, filename: str) -> Path:
    try:
        _check_reachable()
        return Path(hf_hub_download(repository, filename, cache_dir=constants.HF_HUB_CACHE))
    except OSError as error:
        reason = str(getattr(error, "reason", error)).partition("\n")[0]
        raise LymphoscopeError(
            f"backbone {name}: its ImageNet weights can't be had here ({reason}); set pretrained: false, or run this "
            f"where there is a network and bring the folder {constants.HF_HUB_CACHE}"
        ) from error


def _check_reachable() -> None:
    # Without a network the download itself gives up only after half a minute of trying again.
    try:
        urlopen(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER).close()  # noqa: S310  https unless a user set his own
    except HTTPError:
        return  # an answer, if not a kind one: the download will say more
