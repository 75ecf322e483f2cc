"""The Ascend backend here, where there is no NPU: its attention is replaced by a stand-in that holds to the documented
constraints of `flash_attention_score`, and everything around it runs."""

from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from pfold.kernels import ascend, reference
from pfold.kernels.tensors import attention
from tests.kernels.operator_cases import Case
from tests.kernels.operator_cases import attention as attention_parameters

BF16 = 2e-2


class FlashStandIn:
    """Checks what MindSpore documents of flash_attention_score, then computes it in float32."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, head_num: int, *, real_shift: Tensor, **rest: Any
    ) -> Tensor:
        assert rest.pop("input_layout") == "BNSD"
        scale = rest.pop("scalar_value")
        assert isinstance(scale, float)
        assert not rest
        assert {x.dtype for x in (query, key, value, real_shift)} == {ms.bfloat16}
        batch, heads, n_query, d = query.shape
        n_key = key.shape[2]
        assert key.shape == value.shape == (batch, heads, n_key, d)
        assert 1 <= batch <= 2048
        assert heads == head_num <= 256
        assert d % 16 == 0
        assert d <= 512
        assert real_shift.shape in ((batch, heads, n_query, n_key), (1, heads, n_query, n_key))
        self.rows.append(batch)
        q = query.float() * (scale * d**0.5)
        shift = real_shift.float()
        shift = shift if shift.shape[0] == batch else ops.tile(shift, (batch, 1, 1, 1))
        return attention(q, key.float(), value.float(), shift).astype(ms.bfloat16)


@pytest.fixture
def flash(monkeypatch):
    stand_in = FlashStandIn()
    monkeypatch.setattr(ascend, "flash_attention_score", stand_in)
    return stand_in


def near(found: Tensor, expected: Tensor, before: np.ndarray | float = 0.0) -> bool:
    a, b = found.asnumpy() - before, expected.asnumpy() - before
    return bool(np.sqrt(((a - b) ** 2).mean()) < BF16 * np.sqrt((b**2).mean()))


@pytest.mark.parametrize("node", ["starting", "ending"])
def test_triangle_attention(flash, node):
    case = Case(2, 37, 30)
    p = attention_parameters(case)
    name = f"triangle_attention_{node}"
    found = getattr(ascend, name)(p, Tensor(case.z), Tensor(case.mask))
    present = case.present_pairs()[..., None]
    expected = getattr(reference, name)(p, Tensor(case.z), Tensor(case.mask))
    mine, other = (Tensor(np.where(present, x.asnumpy() - case.z, 0)) for x in (found, expected))
    assert near(mine, other)
    assert flash.rows == [37, 37]


def test_more_rows_than_a_call_takes_are_cut(flash):
    random = np.random.default_rng(0)
    q, k, v = (Tensor(random.standard_normal((4100, 1, 4, 24)).astype(np.float32)) for _ in range(3))
    bias = Tensor(random.standard_normal((4100, 1, 4, 4)).astype(np.float32))
    assert near(ascend.flash_attention(q, k, v, bias), attention(q, k, v, bias))
    assert flash.rows == [2048, 2048, 4]


def test_token_and_window_attention(flash):
    case = Case(2, 20, 20)
    rows = [Tensor(case.values(3, 40, 48)) for _ in range(4)]
    bias = Tensor(case.values(2 * 2 * 2, 20, 20))
    arguments = *rows, bias, Tensor(case.mask), 1, 2
    assert near(ascend.token_attention(*arguments), reference.token_attention(*arguments))
    assert flash.rows == [3, 3]
    atoms = [Tensor(case.values(2, 64, 64)) for _ in range(4)]
    keys = Tensor(case.random.integers(0, 64, (2, 128)).astype(np.int32))
    arguments = *atoms, keys, Tensor(case.values(2, 2, 32, 128))
    assert near(ascend.window_attention(*arguments), reference.window_attention(*arguments))
    assert flash.rows == [3, 3, 2, 2]
