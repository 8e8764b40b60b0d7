"""Bilinear attention pooling: one feature vector per attention map (section 2.1)."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

EPSILON = 1e-12


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off where it is on, because half precision gives NaN in the normalisations."""
    # Entered only where needed, so that a traced or exported network has no autocast region.
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def signed_square_root(vectors: Tensor) -> Tensor:
    """Return sign(x) * sqrt(|x| + 1e-12) of each element; any shape."""
    return vectors.sign() * (vectors.abs() + EPSILON).sqrt()


class BilinearAttentionPooling(nn.Module):
    """Pool features with attention maps into one normalised vector per image, always in float32.

    Part m is the mean over (h, w) of F_m * X. The M parts are concatenated, then signed square root, L2 normalisation
    and multiplication by `scale` follow; `signed_sqrt=False`, `l2=False` and `scale=1.0` switch these off.
    """

    def __init__(self, signed_sqrt: bool = True, l2: bool = True, scale: float = 100.0) -> None:
        super().__init__()
        self.signed_sqrt = signed_sqrt
        self.l2 = l2
        self.scale = scale

    def forward(self, features: Tensor, maps: Tensor) -> Tensor:
        """Features (B, C, h, w) and maps (B, M, h, w) -> vectors (B, M*C), float32; part m is [m*C, (m+1)*C)."""
        with full_precision(features.device):
            parts = features.float().flatten(2) @ maps.float().flatten(2).mT  # (B, C, M)
            vectors = parts.mT.flatten(1) / maps[0, 0].numel()
            if self.signed_sqrt:
                vectors = signed_square_root(vectors)
            if self.l2:
                vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(EPSILON)
            return vectors * self.scale
