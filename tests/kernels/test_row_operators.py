"""The fused CPU operators on singles and atoms against the reference operators."""

from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from pfold.constants import MASKED
from pfold.kernels import reference
from tests.kernels.fused import cpu
from tests.kernels.operator_cases import (
    SIZES,
    Case,
    close,
)


@pytest.mark.parametrize("size", SIZES)
def test_token_attention(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    n_sample, n_head, d, n_block = 2, 3, 24, 2
    rows = [Tensor(case.values(n_sample, len(case.mask), n_head * d)) for _ in range(4)]
    bias = case.values(case.n_target, n_block * n_head, case.n, case.n)
    bias += (1 - case.mask.reshape(case.n_target, 1, 1, case.n)) * np.float32(MASKED)
    for block in range(n_block):
        arguments = *rows, Tensor(bias.reshape(-1, case.n, case.n)), Tensor(case.mask), block, n_block
        found, expected = cpu.token_attention(*arguments), reference.token_attention(*arguments)
        present = Tensor(case.mask[None, :, None] * np.ones((n_sample, 1, n_head * d), np.float32))
        assert close(found * present, expected * present)


@pytest.mark.parametrize("shift", [-3e4, -300.0, 80.0, 3e4])
def test_attention_of_scores_beyond_the_range_of_powers(shift: float) -> None:
    """Scores that overflow, underflow or round as they are, for some of the queries: their maximum is subtracted."""
    case = Case(1, 70, 70)
    n_head, d = 2, 32
    rows = [Tensor(case.values(1, 70, n_head * d)) for _ in range(4)]
    bias = case.values(n_head, 70, 70)
    bias[:, 20:50] += np.float32(shift)
    arguments = *rows, Tensor(bias), Tensor(case.mask), 0, 1
    found, expected = cpu.token_attention(*arguments).asnumpy(), reference.token_attention(*arguments).asnumpy()
    assert np.isfinite(found).all()
    # A score of 30,000 is itself rounded to 0.002.
    np.testing.assert_allclose(found, expected, atol=5e-3 if abs(shift) > 1e4 else 1e-4)


def bf16(x: np.ndarray) -> np.ndarray:
    return Tensor(x).astype(ms.bfloat16).float().asnumpy()


@pytest.mark.parametrize("dtype", [ms.float32, ms.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 64), (3, 37, 48), (2, 65, 130), (700, 6)])
@pytest.mark.parametrize("n_out", [1, 3, 48, 130])
def test_linear_layers_of_rows(shape: tuple[int, ...], n_out: int, dtype: Any) -> None:
    """With bfloat16 weights products of rounded inputs and weights; summed in float32 in either case."""
    case = Case(1, 5, 5)
    x, weight, bias = case.values(*shape), case.values(n_out, shape[-1]), case.values(n_out)
    rounded = bf16 if dtype == ms.bfloat16 else np.asarray
    expected = rounded(x) @ rounded(weight).T
    stored = Tensor(weight).astype(dtype)
    np.testing.assert_allclose(cpu.affine(Tensor(x), stored).asnumpy(), expected, rtol=1e-4, atol=1e-4)
    found = cpu.affine(Tensor(x), stored, Tensor(bias)).asnumpy()
    np.testing.assert_allclose(found, expected + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [ms.float32, ms.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("n_row", [1, 64, 131])
def test_gated_transition_of_rows(n_row: int, dtype: Any) -> None:
    case = Case(1, 5, 5)
    x = Tensor(case.values(n_row, 48))
    weights = case.layer(100, 48), case.layer(100, 48), case.layer(40, 100)
    expected = reference.gated_transition(x, *weights).asnumpy()
    found = cpu.gated_transition(x, *(w.astype(dtype) for w in weights)).asnumpy()
    assert found.shape == (n_row, 40)
    error = np.sqrt(((found - expected) ** 2).mean()) / np.sqrt((expected**2).mean())
    assert error < (1e-2 if dtype == ms.bfloat16 else 1e-6)


def test_window_attention() -> None:
    case = Case(1, 5, 5)
    n_sample, n_window, n_head, d = 2, 5, 4, 32
    rows = [Tensor(case.values(n_sample, n_window * 32, n_head * d)) for _ in range(4)]
    keys = np.clip(np.arange(n_window)[:, None] * 32 - 48 + np.arange(128), 0, n_window * 32 - 1).astype(np.int32)
    bias = case.values(n_window, n_head, 32, 128)
    bias[0, :, :, :48] = MASKED
    arguments = *rows, Tensor(keys), Tensor(bias)
    assert close(cpu.window_attention(*arguments), reference.window_attention(*arguments))


def test_norms_and_gates_of_rows() -> None:
    case = Case(1, 5, 5)
    a, x = Tensor(100 * case.values(3, 37, 48)), Tensor(case.values(3, 37, 48))
    scale, shift = Tensor(5 * case.values(37, 48)), Tensor(case.values(37, 48))
    assert close(cpu.adaptive_norm(a, scale, shift), reference.adaptive_norm(a, scale, shift))
    assert close(cpu.gated_sum(a, scale, x), reference.gated_sum(a, scale, x))
    for c in (3, 48, 449):
        wide = Tensor(7 + case.values(5, c))
        for p in (case.norm("n", c), case.norm("n", c, bias=False)):
            arguments = wide, p["n.weight"], p.get("n.bias")
            assert close(cpu.layer_norm(*arguments), reference.layer_norm(*arguments))
        assert close(cpu.layer_norm(wide), reference.layer_norm(wide))
