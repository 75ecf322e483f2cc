"""Reference backend: the operators of the model written in MindSpore primitives.

Every function runs eagerly and inside `ms.jit`. Shapes are static, so the chunk loops unroll when a graph is compiled.
"""

from mindspore import Tensor, ops
from mindspore.ops import constexpr

from pfold.ops.chunks import row_chunks

# Additive bias of a masked attention key: exp() of it is zero in float32.
MASKED = -1e9

_layer_norm = ops.LayerNorm(begin_norm_axis=-1, begin_params_axis=-1, epsilon=1e-5)
_matmul_transposed = ops.MatMul(transpose_b=True)
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


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Layer norm over the last axis, eps 1e-5.  x [..., c], weight and bias [c] or absent -> [..., c]."""
    c = x.shape[-1:]
    gamma = ops.ones(c, x.dtype) if weight is None else weight
    beta = ops.zeros(c, x.dtype) if bias is None else bias
    return _layer_norm(x, gamma, beta)[0]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., c_in] times weight [c_out, c_in] transposed, plus bias [c_out] -> [..., c_out]."""
    c_out = weight.shape[0]
    y = _matmul_transposed(x.reshape((-1, x.shape[-1])), weight)
    if bias is not None:
        y = ops.bias_add(y, bias)
    return y.reshape(x.shape[:-1] + (c_out,))


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v.

    q [..., N_q, d], k and v [..., N_k, d]; bias broadcasts to [..., N_q, N_k] -> [..., N_q, d].
    """
    scores = _scores(q * (q.shape[-1] ** -0.5), k)
    return _weighted_sum(ops.softmax(scores + expand(bias, scores), axis=-1), v)


def triangle_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, key_bias: Tensor) -> Tensor:
    """Attention along each row of the pair representation with a bias shared by all rows.

    q, k, v [N, H, N, d], bias [H, N, N], key_bias [N] (0 or MASKED) -> [N, H, N, d].
    """
    n_row, n_head, n = q.shape[0], q.shape[1], q.shape[2]
    shared = bias + expand(key_bias, bias)
    chunks = []
    for start, stop in row_chunks(n_row, 3 * n_head * n * n):
        chunks.append(attention(q[start:stop], k[start:stop], v[start:stop], shared))
    return chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)


def triangle_product(a: Tensor, b: Tensor, outgoing: bool) -> Tensor:
    """x_ij = sum_k a_ik b_jk (outgoing) or sum_k a_ki b_kj (incoming), per channel.  a, b [N, N, c] -> [N, N, c]."""
    if outgoing:
        x = _scores(a.transpose(2, 0, 1), b.transpose(2, 0, 1))
    else:
        x = _weighted_sum(a.transpose(2, 1, 0), b.transpose(2, 0, 1))
    return x.transpose(1, 2, 0)


def transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """Gated feed-forward silu(x A) * (x B) projected back, in chunks of rows.  x [..., c] -> [..., c_out]."""
    rows = x.reshape((-1, x.shape[-1]))
    chunks = []
    for start, stop in row_chunks(rows.shape[0], 3 * weight_a.shape[0]):
        part = rows[start:stop]
        chunks.append(linear(ops.silu(linear(part, weight_a)) * linear(part, weight_b), weight_out))
    y = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return y.reshape(x.shape[:-1] + (weight_out.shape[0],))


def outer_product_mean(a: Tensor, b: Tensor, weight: Tensor, bias: Tensor, norm: Tensor) -> Tensor:
    """Sum over alignment rows of a_si (x) b_sj, projected to pairs and divided by `norm`.

    a, b [N_msa, N, c] (masked rows are zero), weight [c_z, c * c], bias [c_z], norm [N, N, 1] -> [N, N, c_z].
    """
    n_msa, n, c = a.shape
    right = b.reshape((n_msa, n * c))
    chunks = []
    for start, stop in row_chunks(n, 2 * n * c * c):
        left = a[:, start:stop].reshape((n_msa, (stop - start) * c))
        outer = ops.matmul(left.transpose(1, 0), right).reshape((stop - start, c, n, c))
        outer = outer.transpose(0, 2, 1, 3).reshape((stop - start, n, c * c))
        chunks.append(linear(outer, weight, bias))
    x = chunks[0] if len(chunks) == 1 else ops.concat(chunks, axis=0)
    return x / norm


def pair_weighted_average(w: Tensor, v: Tensor) -> Tensor:
    """Average of v over residues j with weights w_ij per head.  w [H, N, N], v [N_msa, N, H, c] -> [N_msa, N, H, c]."""
    n_msa, n, n_head, c = v.shape
    columns = v.transpose(2, 1, 0, 3).reshape((n_head, n, n_msa * c))
    return _weighted_sum(w, columns).reshape((n_head, n, n_msa, c)).transpose(2, 1, 0, 3)
