"""The operators that models call; how they run, and in how many chunks, is the business of a backend.

Backends are modules with the same functions: `pfold.kernels.reference` in plain MindSpore, `pfold.kernels.cpu` fused in
C++, and `pfold.kernels.ascend` for Ascend NPUs. `PFOLD_BACKEND` names the one to use; else the first use picks that of
the device, or the reference.

Pairs z are [n_target * N, N, c_z]: the targets of a batch below one another, all padded to N tokens. Singles, masks and
MSA rows are stacked likewise: [n_target * N, ...], [n_target * N_msa, N, c_m]. Shapes below are of one target. A
backend may update z and m in place: what an operator returns is what to go on with, also where it has only read z.
"""

import contextlib
import importlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from mindspore import Tensor, context

from pfold.errors import OutOfMemoryError, PfoldError
from pfold.kernels.tensors import Params

logger = logging.getLogger(__name__)

BACKENDS = ("reference", "cpu", "ascend", "training")
# The module in use; that each has all operators below, with these arguments, is seen to by tests/kernels/test_backends.
_backend: Any = None


def use(name: str) -> None:
    """Use the backend `name` from now on; graphs that were compiled keep theirs. Raises what hinders it."""
    global _backend
    if name not in BACKENDS:
        raise ValueError(f'PFOLD_BACKEND is "{name}"; use one of {", ".join(BACKENDS)}')
    _backend = importlib.import_module(f"pfold.kernels.{name}")


@contextlib.contextmanager
def differentiable() -> Iterator[None]:
    """Within it, use operators that have derivatives: those of training."""
    global _backend
    name = "training" if backend() == "cpu" else "reference"
    before = _backend
    use(name)
    try:
        yield
    finally:
        _backend = before


def backend() -> str:
    """Name of the backend in use; picks one if none has been."""
    if _backend is None:
        _choose()
    return str(_backend.__name__.rpartition(".")[2])


def _choose() -> None:
    from pfold.kernels.build import KernelBuildError

    if "PFOLD_BACKEND" in os.environ:
        use(os.environ["PFOLD_BACKEND"])
    elif context.get_context("device_target") == "Ascend":
        use("ascend")
    else:
        try:
            use("cpu")
        except KernelBuildError as error:
            logger.warning("no fused operators (%s); the slower reference operators serve", error)
            use("reference")


def identity() -> str:
    """What tells compiled graphs of this backend from others."""
    return f"{backend()} {_backend.identity()}"


def in_place() -> bool:
    """Whether updates of pairs and MSA rows change the tensor that is passed in."""
    backend()
    return bool(_backend.IN_PLACE)


def finish_updates(z: Tensor) -> Tensor:
    """What a graph returns for pairs or MSA rows it has updated: the new ones, or a token where they are in place."""
    return _backend.finish_updates(z)


def release_memory() -> None:
    """Give back scratch memory that operators keep from one to the next; called between stages."""
    backend()
    _backend.release_memory()


# What MindSpore says where its device has no memory left (its memory manager and its actors, CPU and Ascend).
_NO_MEMORY = re.compile(
    r"Memory not enough|memory isn't enough|memory is not enough|[Aa]lloc(ate)? [a-z ]*mem(ory)? failed"
    r"|[Mm]alloc [a-z ]*failed|[Mm]emory malloc failed",
)


def explained(error: RuntimeError) -> Exception:
    """What made a graph fail: OutOfMemoryError, OperatorError with an operator's own words, or the error itself."""
    backend()
    refusal: PfoldError | None = _backend.refusal()
    if refusal is not None:
        return refusal
    said = next((line for line in str(error).splitlines() if _NO_MEMORY.search(line)), None)
    return error if said is None else OutOfMemoryError(said.strip()[:300])


def triangle_multiplication_outgoing(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle multiplicative update with outgoing edges, AF3 Algorithm 12.  z [N, N, c_z], mask [N] -> new z."""
    return _backend.triangle_multiplication_outgoing(p, z, mask)


def triangle_multiplication_incoming(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle multiplicative update with incoming edges, AF3 Algorithm 13.  z [N, N, c_z], mask [N] -> new z."""
    return _backend.triangle_multiplication_incoming(p, z, mask)


def triangle_attention_starting(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle self-attention around the starting node, AF3 Algorithm 14.  z [N, N, c_z], mask [N] -> new z."""
    return _backend.triangle_attention_starting(p, z, mask)


def triangle_attention_ending(p: Params, z: Tensor, mask: Tensor) -> Tensor:
    """Triangle self-attention around the ending node, AF3 Algorithm 15.  z [N, N, c_z], mask [N] -> new z."""
    return _backend.triangle_attention_ending(p, z, mask)


def row_transition(p: Params, x: Tensor, mask: Tensor) -> Tensor:
    """Gated transition of pairs or of MSA rows, AF3 Algorithm 11.  x [rows, N, c], mask [rows] -> new x.

    Masked rows may keep what they are.
    """
    return _backend.row_transition(p, x, mask)


def outer_product_mean(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> Tensor:
    """Outer product mean, AF3 Algorithm 9.  z [N, N, c_z], mask [N], m [N_msa, N, c_m], msa_mask [N_msa] -> new z."""
    return _backend.outer_product_mean(p, z, mask, m, msa_mask)


def pair_weighted_averaging(p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor) -> tuple[Tensor, Tensor]:
    """MSA pair-weighted averaging, AF3 Algorithm 10.

    m [N_msa, N, c_m], z [N, N, c_z], mask [N] -> new m, and z to go on with. Rows that msa_mask [N_msa] leaves out may
    keep what they are.
    """
    return _backend.pair_weighted_averaging(p, z, mask, m, msa_mask)


def pair_bias(p: Params, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Attention bias of each head from pairs, AF3 Algorithm 24, line 8, MASKED for absent keys.

    z [N, N, c_z], mask [N] -> bias [H, N, N], a batch's targets below one another, and z to go on with.
    """
    return _backend.pair_bias(p, z, mask)


def pair_embedding(p: Params, z: Tensor, mask: Tensor, f: Params, of_i: Tensor, of_j: Tensor) -> Tensor:
    """Pairs of a recycling cycle, AF3 Algorithm 1, lines 3-5 and 8.

    z [N, N, c_z] of the last cycle, zero at first; f: device features; of_i, of_j [N, c_z] -> z of this cycle.
    """
    return _backend.pair_embedding(p, z, mask, f, of_i, of_j)


def confidence_pairs(p: Params, z: Tensor, mask: Tensor, of_i: Tensor, of_j: Tensor, x: Tensor) -> Tensor:
    """Pairs of the confidence head, AF3 Algorithm 31, lines 1-3; z stays as it is.

    z [N, N, c_z] of the trunk, of_i and of_j [N, c_z], x [N, 3] positions of one sample (Å) -> [N, N, c_z].
    """
    return _backend.confidence_pairs(p, z, mask, of_i, of_j, x)


def pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """Layer norm and linear layer of rows of the pairs, by their names.

    z [N, N, c_z], mask [N], rows [R] int32, which count over the targets of a batch -> [R, N, c_out].
    """
    return _backend.pair_logits(p, norm, layer, z, mask, rows)


def symmetric_pair_logits(p: Params, norm: str, layer: str, z: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """As `pair_logits`, of z_ij + z_ji; an empty name of the layer norm leaves it out."""
    return _backend.symmetric_pair_logits(p, norm, layer, z, mask, rows)


def diffusion_pairs(
    p: Params, encoder: Params, blocks: list[Params], z: Tensor, mask: Tensor, f: Params
) -> tuple[Tensor, Tensor]:
    """All that the diffusion module reads of the pairs, AF3 Algorithms 5 (line 10), 21 and 24 (line 8).

    p: diffusion conditioning, encoder: atom encoder, blocks: attention of each token block; z [N, N, c_z], mask [N] ->
    biases [n_block * H, N, N] (of a batch: the blocks of its first target, of the next, ...) and token pairs
    [N, N, c_atompair] for the atom pairs.
    """
    return _backend.diffusion_pairs(p, encoder, blocks, z, mask, f)


def token_attention(
    q: Tensor, k: Tensor, v: Tensor, gate: Tensor, bias: Tensor, mask: Tensor, block: int, n_block: int
) -> Tensor:
    """Gated attention of tokens, AF3 Algorithm 24, lines 8-11.

    q, k, v, gate [..., N, H * d]; bias [n_block * H, N, N] of all blocks, of which `block` is read -> [..., N, H * d].
    """
    return _backend.token_attention(q, k, v, gate, bias, mask, block, n_block)


def window_attention(q: Tensor, k: Tensor, v: Tensor, gate: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Gated attention over windows of atoms, AF3 Algorithm 7.

    q, k, v, gate [..., N_atom, H * d], keys [N_window, N_k] int32, bias [N_window, H, N_q, N_k] -> q's shape.
    """
    return _backend.window_attention(q, k, v, gate, keys, bias)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., c_in] times weight [c_out, c_in] transposed, plus bias [c_out] -> [..., c_out] of x's type.

    Where one of x and weight is bfloat16, so is the product.
    """
    return _backend.affine(x, weight, bias)


def gated_transition(x: Tensor, weight_a: Tensor, weight_b: Tensor, weight_out: Tensor) -> Tensor:
    """Gated feed-forward silu(x A) * (x B) projected back, in chunks of rows.  x [..., c] -> [..., c_out]."""
    return _backend.gated_transition(x, weight_a, weight_b, weight_out)


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Layer norm over the last axis in float32, eps 1e-5.  x [..., c], weight and bias [c] or absent -> [..., c]."""
    return _backend.layer_norm(x, weight, bias)


def adaptive_norm(a: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """sigmoid(scale) * layer norm of a + shift, AF3 Algorithm 26.  a [..., N, c], scale, shift [N, c] -> a's shape."""
    return _backend.adaptive_norm(a, scale, shift)


def gated_sum(a: Tensor, gate: Tensor, x: Tensor) -> Tensor:
    """a + sigmoid(gate) * x.  a and x [..., N, c], gate [N, c] -> a's shape."""
    return _backend.gated_sum(a, gate, x)


def condition_pairs(p: Params, f: Params, z: Tensor) -> Tensor:
    """Pair conditioning of training, AF3 Algorithm 21, lines 1-5.  z [N, N, c_z] -> [N, N, c_z]."""
    return _backend.condition_pairs(p, f, z)


def smooth_lddt(x: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
    """Smooth lDDT of each sample, AF3 Algorithm 27; a function of training backends.

    x [S, A, 3] (Å), true distances [A, A] (Å), mask [A, A] of the pairs that count -> [S].
    """
    return _backend.smooth_lddt(x, distance, mask)
