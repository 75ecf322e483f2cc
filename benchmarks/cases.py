"""Every fused operator at the sizes of a fold: what `operators.py` times."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

import pfold.ops as kernels

C_Z, C_M, C_HIDDEN, C_ATOM, C_ATOM_PAIR, C_TOKEN = 128, 64, 32, 128, 16, 768
N_HEAD, N_BIN, N_RELATIVE = 16, 64, 139


@dataclass(frozen=True)
class Case:
    """One operator at one size: what it computes (FLOP of its matrix products) and moves (bytes, at least)."""

    name: str
    flop: float
    moved: float
    run: Callable[[], Any]


class Weights:
    """Random parameters by name; a module's come as a nested dict of tensors."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def tensor(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal values."""
        return Tensor((scale * self.random.standard_normal(shape)).astype(np.float32))

    def module(self, layers: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Weights by name, scaled so that layers keep the size of their inputs."""
        return {name: self.tensor(*shape, scale=shape[-1] ** -0.5) for name, shape in layers.items()}

    def norm(self, name: str, c: int) -> dict[str, Tensor]:
        """Scale and offset of a layer norm."""
        return {f"{name}.weight": Tensor(np.ones(c, np.float32)), f"{name}.bias": Tensor(np.zeros(c, np.float32))}

    def relative_positions(self, n: int) -> dict[str, Tensor]:
        """Device features of pairs."""
        f = {f"relative_{x}": Tensor(self.random.integers(0, 66, (n, n)), ms.int32) for x in ("residue", "token")}
        f["relative_chain"] = Tensor(self.random.integers(0, 6, (n, n)), ms.int32)
        return f | {name: Tensor(np.ones((n, n), np.float32)) for name in ("same_entity", "token_bonds")}


def pair_cases(w: Weights, n: int, dtype: Any) -> Iterator[Case]:
    """The operators of a pair block."""
    z, mask, pairs = w.tensor(n, n, C_Z).astype(dtype), Tensor(np.ones(n, np.float32)), float(n * n)
    size = pairs * C_Z * (2 if dtype == ms.bfloat16 else 4)
    square = (C_Z, C_Z)
    multiplication = w.norm("layer_norm_in", C_Z) | w.norm("layer_norm_out", C_Z)
    names = ("linear_a_g", "linear_a_p", "linear_b_g", "linear_b_p", "linear_g", "linear_z")
    multiplication |= w.module({f"{name}.weight": square for name in names})
    attention: dict[str, Any] = w.norm("layer_norm", C_Z) | w.module({"linear.weight": (4, C_Z)})
    attention["mha"] = w.module({f"linear_{name}.weight": square for name in "qkvgo"})
    transition = w.norm("layernorm1", C_Z) | transition_weights(w, C_Z)
    flop = pairs * (6 * 2 * C_Z**2 + 2 * n * C_Z)
    for direction in ("outgoing", "incoming"):
        operator = getattr(kernels, f"triangle_multiplication_{direction}")
        yield Case(f"triangle multiplication, {direction}", flop, 2 * size, bind(operator, multiplication, z, mask))
    flop = pairs * (5 * 2 * C_Z**2 + 2 * 4 * C_Z + 4 * n * C_Z)
    for node in ("starting", "ending"):
        operator = getattr(kernels, f"triangle_attention_{node}")
        yield Case(f"triangle attention, {node} node", flop, 2 * size, bind(operator, attention, z, mask))
    flop = pairs * 3 * 2 * C_Z * 4 * C_Z
    yield Case("transition of pairs", flop, 2 * size, bind(kernels.row_transition, transition, z, mask))


def transition_weights(w: Weights, c: int, factor: int = 4) -> dict[str, Tensor]:
    """Parameters of a gated transition that many times as wide."""
    hidden = {f"linear_no_bias_{name}.weight": (factor * c, c) for name in "ab"}
    return w.module(hidden | {"linear_no_bias.weight": (c, factor * c)})


def msa_cases(w: Weights, n: int, n_msa: int, dtype: Any) -> Iterator[Case]:
    """The operators of an alignment."""
    z, m = w.tensor(n, n, C_Z).astype(dtype), w.tensor(n_msa, n, C_M).astype(dtype)
    mask, msa_mask = Tensor(np.ones(n, np.float32)), Tensor(np.ones(n_msa, np.float32))
    width = 2 if dtype == ms.bfloat16 else 4
    entries, pairs = float(n_msa * n), float(n * n)
    outer = w.norm("layer_norm", C_M) | w.module({f"linear_{i}.weight": (C_HIDDEN, C_M) for i in (1, 2)})
    outer |= w.module({"linear_out.weight": (C_Z, C_HIDDEN**2), "linear_out.bias": (C_Z,)})
    flop = entries * 2 * 2 * C_M * C_HIDDEN + pairs * 2 * C_HIDDEN**2 * (n_msa + C_Z)
    moved = width * (2 * pairs * C_Z + entries * C_M)
    yield Case("outer product mean", flop, moved, bind(kernels.outer_product_mean, outer, z, mask, m, msa_mask))
    averaging = (
        w.norm("layernorm_m", C_M) | w.norm("layernorm_z", C_Z) | w.module({"linear_no_bias_z.weight": (8, C_Z)})
    )
    averaging |= w.module({f"linear_no_bias_{name}.weight": (C_M, C_M) for name in ("mv", "mg", "out")})
    flop = entries * (3 * 2 * C_M**2 + 2 * n * C_M) + pairs * 2 * 8 * C_Z
    moved = width * (pairs * C_Z + 2 * entries * C_M)
    operator = bind(kernels.pair_weighted_averaging, averaging, z, mask, m, msa_mask)
    yield Case("pair-weighted averaging", flop, moved, operator)
    transition = w.norm("layernorm1", C_M) | transition_weights(w, C_M)
    operator = bind(kernels.row_transition, transition, m, msa_mask)
    yield Case("transition of alignment", entries * 3 * 2 * C_M * 4 * C_M, width * 2 * entries * C_M, operator)


def edge_cases(w: Weights, n: int, dtype: Any) -> Iterator[Case]:
    """What turns pairs into biases and logits, and what they are made of."""
    z, mask, pairs = w.tensor(n, n, C_Z).astype(dtype), Tensor(np.ones(n, np.float32)), float(n * n)
    size, f = pairs * C_Z * (2 if dtype == ms.bfloat16 else 4), w.relative_positions(n)
    bias = w.norm("layernorm_z", C_Z) | w.module({"linear_nobias_z.weight": (N_HEAD, C_Z)})
    flop = pairs * 2 * C_Z * N_HEAD
    yield Case("bias of single attention", flop, size + 4 * pairs * N_HEAD, bind(kernels.pair_bias, bias, z, mask))

    embedding: dict[str, Any] = w.norm("layernorm_z_cycle", C_Z) | w.module(
        {"linear_no_bias_z_cycle.weight": (C_Z, C_Z), "linear_no_bias_token_bond.weight": (C_Z, 1)}
    )
    embedding["relative_position_encoding"] = w.module({"linear_no_bias.weight": (C_Z, N_RELATIVE)})
    singles = [w.tensor(n, C_Z) for _ in range(2)]
    operator = bind(kernels.pair_embedding, embedding, z, mask, f, *singles)
    yield Case("recycling and relative positions", pairs * 2 * C_Z**2, 2 * size, operator)

    logits, rows = w.norm("norm", C_Z) | w.module({"layer.weight": (N_BIN, C_Z)}), Tensor(np.arange(n), ms.int32)
    flop, moved = pairs * 2 * C_Z * N_BIN, size + 4 * pairs * N_BIN
    yield Case("logits of pairs", flop, moved, bind(pair_logits, logits, z, mask, rows))
    yield Case("logits of pairs, symmetric", flop, moved + size, bind(symmetric_pair_logits, logits, z, mask, rows))

    edges = np.linspace(3, 52, 40).astype(np.float32)
    distances: dict[str, Any] = {"lower_bins": Tensor(edges[:-1]), "upper_bins": Tensor(edges[1:])}
    distances |= w.module({"linear_no_bias_d.weight": (C_Z, 39), "linear_no_bias_d_wo_onehot.weight": (C_Z, 1)})
    operator = bind(kernels.confidence_pairs, distances, z, mask, *singles, w.tensor(n, 3, scale=20))
    yield Case("pairs of the confidence head", 0, 2 * size, operator)
    yield diffusion_pairs_case(w, z, mask, f)


def diffusion_pairs_case(w: Weights, z: Tensor, mask: Tensor, f: dict[str, Tensor]) -> Case:
    """Pair conditioning and all biases of the diffusion transformer."""
    n_block, pairs, wide = 8, float(z.shape[0] ** 2), 2 * C_Z
    p: dict[str, Any] = w.norm("layernorm_z", wide) | w.module({"linear_no_bias_z.weight": (C_Z, wide)})
    p["relpe"] = w.module({"linear_no_bias.weight": (C_Z, N_RELATIVE)})
    for i in (1, 2):
        p[f"transition_z{i}"] = w.norm("layernorm1", C_Z) | transition_weights(w, C_Z, 2)
    encoder = w.norm("layernorm_z", C_Z) | w.module({"linear_no_bias_z.weight": (C_ATOM_PAIR, C_Z)})
    bias = w.norm("layernorm_z", C_Z) | w.module({"linear_nobias_z.weight": (N_HEAD, C_Z)})
    flop = pairs * 2 * C_Z * (wide + 2 * 3 * 2 * C_Z + n_block * N_HEAD + C_ATOM_PAIR)
    width = 2 if z.dtype == ms.bfloat16 else 4
    moved = pairs * (width * (C_Z + n_block * N_HEAD) + 4 * C_ATOM_PAIR)
    return Case("pairs of the diffusion module", flop, moved, bind(diffusion_pairs, p, encoder, bias, z, mask, f))


def pair_logits(p: Any, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """The operator with its names bound."""
    return kernels.pair_logits(p, "norm", "layer", z, mask, rows)


def symmetric_pair_logits(p: Any, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """The operator with its names bound."""
    return kernels.symmetric_pair_logits(p, "norm", "layer", z, mask, rows)


def diffusion_pairs(p: Any, encoder: Any, bias: Any, z: Tensor, mask: Tensor, f: Any) -> Tensor:
    """The operator for eight blocks of the same weights; its first output."""
    return kernels.diffusion_pairs(p, encoder, [bias] * 8, z, mask, f)[0]


def row_cases(w: Weights, n: int, n_sample: int, dtype: Any) -> Iterator[Case]:
    """Linear layers and transitions of tokens in float32 with weights of a dtype."""
    rows, x = float(n_sample * n), w.tensor(n_sample, n, C_TOKEN)
    width = 2 if dtype == ms.bfloat16 else 4
    weights = w.module({"square": (C_TOKEN, C_TOKEN), "a": (2 * C_TOKEN, C_TOKEN), "b": (2 * C_TOKEN, C_TOKEN)})
    weights |= w.module({"out": (C_TOKEN, 2 * C_TOKEN)})
    layers = {name: x.astype(dtype) for name, x in weights.items()}
    moved = 4 * 2 * rows * C_TOKEN + width * C_TOKEN**2
    yield Case("linear layer of tokens", rows * 2 * C_TOKEN**2, moved, bind(kernels.affine, x, layers["square"]))
    operator = bind(kernels.gated_transition, x, layers["a"], layers["b"], layers["out"])
    moved = 4 * 2 * rows * C_TOKEN + width * 6 * C_TOKEN**2
    yield Case("transition of tokens", rows * 2 * 6 * C_TOKEN**2, moved, operator)


def diffusion_cases(w: Weights, n: int, n_sample: int) -> Iterator[Case]:
    """Attention, norms and gates of the diffusion module; always float32."""
    n_head, n_atom = N_HEAD, 8 * n // 32 * 32
    rows = [w.tensor(n_sample, n, C_TOKEN) for _ in range(4)]
    bias, mask = w.tensor(n_head, n, n), Tensor(np.ones(n, np.float32))
    moved = 4.0 * (5 * n_sample * n * C_TOKEN + n_head * n * n)
    operator = bind(kernels.token_attention, *rows, bias, mask, 0, 1)
    yield Case("attention of tokens", 4.0 * n_sample * n * n * C_TOKEN, moved, operator)
    atoms = [w.tensor(n_sample, n_atom, C_ATOM) for _ in range(4)]
    keys = np.clip(np.arange(n_atom // 32)[:, None] * 32 - 48 + np.arange(128), 0, n_atom - 1).astype(np.int32)
    window_bias = w.tensor(n_atom // 32, 4, 32, 128)
    operator = bind(kernels.window_attention, *atoms, Tensor(keys), window_bias)
    flop = 4.0 * n_sample * n_atom * 128 * C_ATOM
    yield Case("attention in windows of atoms", flop, 4.0 * n_atom * (5 * n_sample * C_ATOM + 512), operator)
    a, scale = w.tensor(n_sample, n, C_TOKEN), w.tensor(n, C_TOKEN)
    operator = bind(kernels.adaptive_norm, a, scale, scale)
    yield Case("adaptive layer norm", 0, 4.0 * (2 * n_sample + 2) * n * C_TOKEN, operator)
    yield Case("gated sum", 0, 4.0 * (3 * n_sample + 1) * n * C_TOKEN, bind(kernels.gated_sum, a, scale, a))
    yield Case("layer norm", 0, 4.0 * 2 * n_sample * n * C_TOKEN, bind(layer_norm, w.norm("norm", C_TOKEN), a))


def layer_norm(p: Any, x: Tensor) -> Tensor:
    """The operator with its name bound."""
    return kernels.layer_norm(p, "norm", x)


def bind(operator: Callable[..., Any], *inputs: Any) -> Callable[[], Any]:
    """The call of an operator that waits for its end.

    As a compiled graph: called one by one, operators share the machine with threads of MindSpore that wait for work.
    """
    tensors = [x for x in inputs if isinstance(x, dict | Tensor)]
    constants = inputs[len(tensors) :]

    def call(*arguments: Any) -> Any:
        return kernels.updated(operator(*arguments, *constants))

    graph = ms.jit(call)
    arguments = [ms.mutable(x) if isinstance(x, dict) else x for x in tensors]
    return lambda: graph(*arguments).asnumpy()


def all_cases(n: int, n_msa: int, n_sample: int, dtype: str) -> Iterator[Case]:
    """Those of a dtype, the five of a pair block first; those that are float32 in any case come with float32."""
    w, kind = Weights(), ms.bfloat16 if dtype == "bfloat16" else ms.float32
    yield from pair_cases(w, n, kind)
    yield from msa_cases(w, n, n_msa, kind)
    yield from edge_cases(w, n, kind)
    yield from row_cases(w, n, n_sample, kind)
    if dtype == "float32":
        yield from diffusion_cases(w, n, n_sample)
