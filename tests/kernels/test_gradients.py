"""Derivatives of the fused operators against MindSpore's own of the reference operators."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from pfold import kernels
from pfold.inference.graphs import as_input, to_device

pytest.importorskip("pfold.kernels.cpu", reason="there is no compiler for the fused operators")

TOLERANCE = 2e-5
N, C = 37, 32
rng = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def gradients(backend: str, function, p: dict, x: tuple, c: dict, back: np.ndarray) -> list[np.ndarray]:
    """Of sum(function(p, x, c) * back): those of the parameters, by name, and of x."""
    keys = list(p)

    def total(leaves, x, c, back):
        tree = {}
        for i in range(len(keys)):
            tree[keys[i]] = leaves[i]
        return (function(tree, x, c) * back).sum()

    derivative = ms.grad(total, grad_position=(0, 1))

    def run(leaves, x, c, back):
        to_p, to_x = derivative(leaves, x, c, back)
        return to_p + to_x

    before = kernels.backend()
    kernels.use(backend)
    try:
        leaves = as_input(tuple(Tensor(p[key]) for key in keys)) if keys else as_input((Tensor(0.0),))
        inputs = as_input(tuple(Tensor(value) for value in x))
        found = ms.jit(run)(leaves, inputs, as_input(to_device(c)), Tensor(back))
    finally:
        kernels.use(before)
    return [g.asnumpy() for g in found]


def outgoing(p, x, c):
    return kernels.triangle_multiplication_outgoing(p, x[0], c["mask"])


def incoming(p, x, c):
    return kernels.triangle_multiplication_incoming(p, x[0], c["mask"])


def _attention_tree(p):
    mha = {}
    for name in ("linear_q.weight", "linear_k.weight", "linear_v.weight", "linear_g.weight", "linear_o.weight"):
        mha[name] = p[name]
    norm = p["layer_norm.weight"], p["layer_norm.bias"]
    return {"mha": mha, "layer_norm.weight": norm[0], "layer_norm.bias": norm[1], "linear.weight": p["linear.weight"]}


def starting(p, x, c):
    return kernels.triangle_attention_starting(_attention_tree(p), x[0], c["mask"])


def ending(p, x, c):
    return kernels.triangle_attention_ending(_attention_tree(p), x[0], c["mask"])


def transition(p, x, c):
    return kernels.row_transition(p, x[0], c["mask"])


def outer_product(p, x, c):
    return kernels.outer_product_mean(p, x[0], c["mask"], x[1], c["rows"])


def affine(p, x, c):
    return kernels.affine(x[0], x[1], x[2])


def symmetric(p, x, c):
    return kernels.symmetric_pair_logits(p, "norm", "linear", x[0], c["mask"], c["rows"])


def layer_norm(p, x, c):
    return kernels.layer_norm(x[0], x[1], x[2])


def adaptive(p, x, c):
    return kernels.adaptive_norm(x[0], x[1], x[2])


def gated_sum(p, x, c):
    return kernels.gated_sum(x[0], x[1], x[2])


def gated(p, x, c):
    return kernels.gated_transition(x[0], x[1], x[2], x[3])


def tokens(p, x, c):
    return kernels.token_attention(x[0], x[1], x[2], x[3], x[4], c["mask"], 0, 1)


def windows(p, x, c):
    return kernels.window_attention(x[0], x[1], x[2], x[3], c["keys"], x[4])


def lddt(p, x, c):
    return kernels.smooth_lddt(x[0], c["distance"], c["pairs"])


def multiplication_weights() -> dict[str, np.ndarray]:
    p = {f"linear_{k}.weight": normal(C, C) / 6 for k in ("a_p", "a_g", "b_p", "b_g", "g", "z")}
    for norm in ("layer_norm_in", "layer_norm_out"):
        p |= {f"{norm}.weight": 1 + 0.1 * normal(C), f"{norm}.bias": 0.1 * normal(C)}
    return p


def attention_weights() -> dict[str, np.ndarray]:
    """Two heads of 32 channels."""
    p = {f"linear_{k}.weight": normal(64, C) / 4 for k in ("q", "k", "v", "g")} | {"linear_o.weight": normal(C, 64) / 8}
    norm = {"layer_norm.weight": 1 + 0.1 * normal(C), "layer_norm.bias": 0.1 * normal(C)}
    return p | norm | {"linear.weight": normal(2, C) / 6}


def transition_weights() -> dict[str, np.ndarray]:
    p = {"linear_no_bias_a.weight": normal(64, C) / 6, "linear_no_bias_b.weight": normal(64, C) / 6}
    norm = {"layernorm1.weight": 1 + 0.1 * normal(C), "layernorm1.bias": 0.1 * normal(C)}
    return p | norm | {"linear_no_bias.weight": normal(C, 64) / 8}


def outer_product_weights() -> dict[str, np.ndarray]:
    p = {f"linear_{k}.weight": normal(32, 16) / 4 for k in (1, 2)}
    p |= {"layer_norm.weight": 1 + 0.1 * normal(16), "layer_norm.bias": 0.1 * normal(16)}
    return p | {"linear_out.weight": normal(C, 32 * 32) / 32, "linear_out.bias": normal(C)}


def logit_weights() -> dict[str, np.ndarray]:
    return {"norm.weight": 1 + 0.1 * normal(C), "norm.bias": 0.1 * normal(C), "linear.weight": normal(24, C) / 6}


def mask(n_absent: int = 4) -> dict[str, np.ndarray]:
    return {"mask": (np.arange(N) < N - n_absent).astype(np.float32)}


def heads(n: int, n_head: int, d: int, n_sample: int = 3) -> tuple[np.ndarray, ...]:
    return tuple(normal(n_sample, n, n_head * d) for _ in range(4))


KEYS = {"keys": rng.integers(0, 64, (2, 128)).astype(np.int32)}
DISTANCE = np.abs(normal(50, 50)) * 5
DISTANCE += DISTANCE.T
PAIRS = {"distance": DISTANCE, "pairs": (rng.random((50, 50)) < 0.4).astype(np.float32)}
CASES = {
    "outgoing": (outgoing, multiplication_weights(), (normal(N, N, C),), mask(), (N, N, C)),
    "incoming": (incoming, multiplication_weights(), (normal(N, N, C),), mask(), (N, N, C)),
    "starting": (starting, attention_weights(), (normal(N, N, C),), mask(), (N, N, C)),
    "ending": (ending, attention_weights(), (normal(N, N, C),), mask(), (N, N, C)),
    "transition": (transition, transition_weights(), (normal(N, N, C),), mask(), (N, N, C)),
    "outer_product": (
        outer_product,
        outer_product_weights(),
        (normal(N, N, C), normal(9, N, 16)),
        mask(0) | {"rows": (np.arange(9) % 4 > 0).astype(np.float32)},
        (N, N, C),
    ),
    "affine": (affine, {}, (normal(5, 70, 33), normal(19, 33), normal(19)), {"mask": normal(1)}, (5, 70, 19)),
    # More rows, and wider, than are taken at a time.
    "affine_long": (affine, {}, (normal(600, 70), normal(100, 70), normal(100)), {"mask": normal(1)}, (600, 100)),
    "symmetric": (
        symmetric,
        logit_weights(),
        (normal(N, N, C),),
        mask(0) | {"rows": np.arange(N, dtype=np.int32)},
        (N, N, 24),
    ),
    "affine_many": (affine, {}, (normal(4500, 3), normal(16, 3), normal(16)), {"m": normal(1)}, (4500, 16)),
    "affine_odd": (affine, {}, (normal(300, 20), normal(13, 20), normal(13)), {"m": normal(1)}, (300, 13)),
    "layer_norm": (layer_norm, {}, (normal(70, 33), normal(33), normal(33)), {"mask": normal(1)}, (70, 33)),
    # Conditioning that all samples share, and samples' own.
    "adaptive": (adaptive, {}, (normal(3, 70, 48), normal(70, 48), normal(70, 48)), {"m": normal(1)}, (3, 70, 48)),
    "adaptive_own": (adaptive, {}, tuple(normal(3, 70, 48) for _ in range(3)), {"m": normal(1)}, (3, 70, 48)),
    "gated_sum": (gated_sum, {}, (normal(3, 70, 48), normal(70, 48), normal(3, 70, 48)), {"m": normal(1)}, (3, 70, 48)),
    "gated_sum_own": (gated_sum, {}, tuple(normal(3, 70, 48) for _ in range(3)), {"m": normal(1)}, (3, 70, 48)),
    "gated": (gated, {}, (normal(70, 32), normal(48, 32), normal(48, 32), normal(16, 48)), {"m": normal(1)}, (70, 16)),
    "gated_long": (
        gated,
        {},
        (normal(1100, 32), normal(80, 32) / 6, normal(80, 32) / 6, normal(48, 80) / 8),
        {"m": normal(1)},
        (1100, 48),
    ),
    "tokens": (tokens, {}, (*heads(N, 2, 24), normal(2, N, N)), mask(0), (3, N, 48)),
    "windows": (windows, {}, (*heads(64, 2, 16), normal(2, 2, 32, 128)), KEYS, (3, 64, 32)),
    "lddt": (lddt, {}, (normal(2, 50, 3) * 4,), PAIRS, (2,)),
}


@pytest.mark.parametrize("case", CASES)
def test_derivatives_are_those_of_the_reference(case):
    function, p, x, c, shape = CASES[case]
    back = normal(*shape)
    if "mask" in c and function in (outgoing, incoming, starting, ending, transition):
        # What comes back to absent tokens is not the operators' business.
        present = c["mask"]
        back = back * present[:, None, None] * present[None, :, None]
        x = (x[0] * present[:, None, None] * present[None, :, None],)
    expected, found = (gradients(backend, function, p, x, c, back) for backend in ("reference", "training"))
    assert len(expected) == max(len(p), 1) + len(x)
    for one, other in zip(expected, found, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * max(np.abs(one).max(), 1e-3)
