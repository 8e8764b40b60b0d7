"""Bilinear attention pooling against sums written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from lymphoscope.method import BilinearAttentionPooling
from lymphoscope.method.pooling import full_precision

sides = st.integers(1, 4)


def by_hand(
    features: NDArray[np.float64], maps: NDArray[np.float64], signed_sqrt: bool, l2: bool, scale: float
) -> NDArray[np.float64]:
    parts = []
    for part in maps:
        parts += [sum((part * channel).ravel()) / part.size for channel in features]
    vector = np.array(parts)
    if signed_sqrt:
        vector = np.array([np.sign(x) * np.sqrt(abs(x) + 1e-12) for x in vector])
    if l2:
        vector = vector / max(np.sqrt(sum(vector**2)), 1e-12)
    return vector * scale


@given(
    shape=st.tuples(sides, sides, sides, sides, sides),
    signed_sqrt=st.booleans(),
    l2=st.booleans(),
    scale=st.sampled_from([1.0, 100.0]),
    seed=st.integers(0, 99),
)
def test_pooling_equals_explicit_sums(
    shape: tuple[int, int, int, int, int], signed_sqrt: bool, l2: bool, scale: float, seed: int
) -> None:
    batch, channels, parts, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, height, width, generator=generator)
    maps = torch.rand(batch, parts, height, width, generator=generator)
    pooled = BilinearAttentionPooling(signed_sqrt, l2, scale)(features, maps).numpy()
    assert pooled.shape == (batch, parts * channels)
    for vector, x, f in zip(pooled, features.double().numpy(), maps.double().numpy(), strict=True):
        np.testing.assert_allclose(vector, by_hand(x, f, signed_sqrt, l2, scale), rtol=1e-4, atol=1e-3)


def test_every_vector_has_the_norm_of_the_scale() -> None:
    vectors = BilinearAttentionPooling(scale=100.0)(torch.randn(9, 4, 3, 3), torch.rand(9, 2, 3, 3))
    torch.testing.assert_close(vectors.norm(dim=1), torch.full((9,), 100.0))


def test_dead_maps_give_finite_vectors_and_gradients() -> None:
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    maps = torch.zeros(2, 5, 4, 4, requires_grad=True)
    vectors = BilinearAttentionPooling()(features, maps)
    vectors.sum().backward()
    assert features.grad is not None and maps.grad is not None
    assert all(values.isfinite().all() for values in (vectors, features.grad, maps.grad))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_pooling_computes_in_float32_under_autocast(device: str, dtype: torch.dtype) -> None:
    features = torch.randn(2, 3, 4, 4, device=device)
    maps = torch.rand(2, 5, 4, 4, device=device)
    exact = BilinearAttentionPooling()(features, maps)
    with torch.autocast(device, dtype=dtype):
        assert torch.equal(BilinearAttentionPooling()(features, maps), exact)


def test_full_precision_restores_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision(torch.device("cpu")):
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")
    with full_precision(torch.device("meta")):
        pass
