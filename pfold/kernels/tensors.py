"""Operations on tensors that models and backends share: expansion, heads, attention in plain MindSpore.

Every function runs eagerly and inside `ms.jit`; shapes are static.
"""

from typing import Any

from mindspore import Tensor, ops
from mindspore.ops import constexpr

from pfold.constants import MASKED

# Nested dict of parameters under one module's prefix, leaves are tensors.
Params = dict[str, Any]

_scores = ops.BatchMatMul(transpose_b=True)
_weighted_sum = ops.BatchMatMul()


@constexpr  # type: ignore[untyped-decorator]
def _repeats(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // m for n, m in zip(like, (1,) * (len(like) - len(shape)) + shape, strict=True))


def expand(x: Tensor, like: Tensor) -> Tensor:
    """Repeat `x` along its axes of length 1, and missing leading ones, to the shape of `like`.

    Used before sums and products: on CPU, MindSpore's arithmetic with an operand that is broadcast keeps 16 bytes of
    indices for each element of the result as long as the graph lives, and takes long to compile.
    """
    return x if x.shape == like.shape else ops.tile(x, _repeats(x.shape, like.shape))


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v.

    q [..., N_q, d], k and v [..., N_k, d]; bias broadcasts to [..., N_q, N_k] -> [..., N_q, d].
    """
    scores = _scores(q * (q.shape[-1] ** -0.5), k)
    return _weighted_sum(ops.softmax(scores + expand(bias, scores), axis=-1), v)


def outer_sum(z: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    """z_ij + of_i + of_j.  z [n_target * N, N, c], of_i and of_j [n_target * N, c] -> z's shape."""
    n, c = z.shape[1], z.shape[2]
    z = z + expand(of_i[:, None], z)
    by_target = z.reshape((z.shape[0] // n, n, n, c))
    return (by_target + expand(of_j.reshape((z.shape[0] // n, 1, n, c)), by_target)).reshape(z.shape)


def split_heads(x: Tensor, n_head: int) -> Tensor:
    """[..., N, H * d] -> [..., H, N, d]."""
    x = x.reshape(x.shape[:-1] + (n_head, x.shape[-1] // n_head))
    return ops.swapaxes(x, -2, -3)


def merge_heads(x: Tensor) -> Tensor:
    """[..., H, N, d] -> [..., N, H * d]."""
    x = ops.swapaxes(x, -2, -3)
    return x.reshape(x.shape[:-2] + (x.shape[-2] * x.shape[-1],))


def key_bias(mask: Tensor) -> Tensor:
    """Additive attention bias of a 0/1 key mask: 0 where present, a large negative number where masked."""
    return (1.0 - mask) * MASKED
