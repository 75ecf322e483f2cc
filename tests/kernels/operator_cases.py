"""Random pairs, MSA rows and masks of a batch, and the comparison of operators with the reference's."""

from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

from benchmarks.parameters import Params, Random
from pfold.kernels import reference

C_Z, C_M, C_HIDDEN = 64, 32, 32
# Root mean square error over root mean square of the update.
TOLERANCE = {"float32": 2e-6, "bfloat16": 2e-2}
# (targets, N_token, tokens present in the first target): odd sizes, more than a panel of 64, padding.
SIZES = [(1, 5, 5), (1, 37, 30), (2, 70, 65), (1, 131, 131)]
DTYPES = ["float32", "bfloat16"]


class Case(Random):
    """Random pairs, MSA rows and masks of a batch."""

    def __init__(self, n_target: int, n: int, n_present: int, n_msa: int = 7, scale: float = 1.0) -> None:
        super().__init__(n)
        self.n_target, self.n = n_target, n
        mask = np.ones((n_target, n), np.float32)
        mask[0, n_present:] = 0
        mask[0, 1] = 0 if n_present < n else 1
        self.mask = mask.reshape(-1)
        msa_mask = np.ones((n_target, n_msa), np.float32)
        msa_mask[0, n_msa - 2 :] = 0
        self.msa_mask = msa_mask.reshape(-1)
        self.z = self.values(n_target * n, n, C_Z) * np.float32(scale)
        self.m = self.values(n_target * n_msa, n, C_M) * np.float32(scale)

    def present_pairs(self) -> np.ndarray:
        mask = self.mask.reshape(self.n_target, self.n)
        return (mask[:, :, None] * mask[:, None, :]).reshape(self.n_target * self.n, self.n) > 0

    def masked(self, x: Tensor) -> Tensor:
        """x [n_target * N, N, c] with absent pairs set to zero."""
        return Tensor(np.where(self.present_pairs()[..., None], x.float().asnumpy(), 0))


def multiplication(case: Case) -> Params:
    """Parameters with twice as many hidden channels as pairs have, as in the template embedder."""
    return case.triangle_multiplication(C_Z, 2 * C_Z)


def attention(case: Case) -> Params:
    return case.triangle_attention(C_Z, 2)


PAIR_OPERATORS = {
    "triangle_multiplication_outgoing": multiplication,
    "triangle_multiplication_incoming": multiplication,
    "triangle_attention_starting": attention,
    "triangle_attention_ending": attention,
    "row_transition": lambda case: case.transition(C_Z),
}


def as_dtype(x: np.ndarray, dtype: str) -> Tensor:
    """x as the values that dtype holds, in float32."""
    return Tensor(x).astype(getattr(ms, dtype)).float()


def run(
    operator: Callable[..., Any], dtype: str, changed: np.ndarray, arguments: Callable[[Tensor], tuple]
) -> np.ndarray:
    """What an operator makes of `changed`, a fresh tensor of it among its arguments."""
    x = Tensor(changed.copy())
    if dtype == "bfloat16":
        x = x.astype(ms.bfloat16)
    made = operator(*arguments(x))
    return (made[0] if isinstance(made, tuple) else made).float().asnumpy()


def assert_same_update(
    operator: Callable[..., Any],
    dtype: str,
    x: np.ndarray,
    arguments: Callable[[Tensor], tuple],
    present: np.ndarray,
    looser: float = 1,
) -> None:
    """The operator adds the same to x as the reference's of its name, where x is present.

    To `looser` times the tolerance.
    """
    x = as_dtype(x, dtype).asnumpy()
    expected = run(getattr(reference, operator.__name__), "float32", x, arguments)
    found = run(operator, dtype, x, arguments)
    update = (expected - x)[present]
    error = (found - expected)[present]
    assert np.sqrt((update**2).mean()) > 1e-3
    # A bf16 result is rounded: what it was added to sets the scale.
    scale = np.sqrt((update**2).mean()) + (np.sqrt((x[present] ** 2).mean()) * 0.2 if dtype == "bfloat16" else 0)
    assert np.sqrt((error**2).mean()) < TOLERANCE[dtype] * scale * looser


def close(found: Any, expected: Any, tolerance: float = 2e-6) -> bool:
    a, b = found.float().asnumpy(), expected.float().asnumpy()
    return bool(np.sqrt(((a - b) ** 2).mean()) < tolerance * np.sqrt((b**2).mean()))
