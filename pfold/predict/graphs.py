"""Compiled graphs of the model: one per block type and shape, the weights passed in, so that blocks share a graph."""

from collections.abc import Callable, Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

from pfold.model import constraint_embedder, diffusion, embedders, heads, msa_module, pairformer, template_embedder
from pfold.model.primitives import Params

input_feature_embedder = ms.jit(embedders.input_feature_embedder)
init_trunk = ms.jit(embedders.init_trunk)
embed_constraints = ms.jit(constraint_embedder.embed_constraints)
recycle_pair = ms.jit(embedders.recycle_pair)
recycle_single = ms.jit(embedders.recycle_single)
embed_template = ms.jit(template_embedder.embed_template)
normalise_template = ms.jit(template_embedder.normalise_template)
project_templates = ms.jit(template_embedder.project_templates)
embed_msa = ms.jit(msa_module.embed_msa)
msa_communication = ms.jit(msa_module.msa_communication)
msa_stack = ms.jit(msa_module.msa_stack)
pair_stack = ms.jit(pairformer.pair_stack)
single_update = ms.jit(pairformer.single_update)
prepare_diffusion = ms.jit(diffusion.prepare_diffusion)
denoise = ms.jit(diffusion.denoise)
distogram_head = ms.jit(heads.distogram_head)
init_confidence = ms.jit(heads.init_confidence)
embed_distances = ms.jit(heads.embed_distances)
confidence_logits = ms.jit(heads.confidence_logits)


PAIR_STACK = ("tri_mul_out", "tri_mul_in", "tri_att_start", "tri_att_end", "pair_transition")


def pairformer_block(p: Params, s: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """One Pairformer block, AF3 Algorithm 17, lines 2-8.  s [N, c_s], z [N, N, c_z], mask [N].

    Two graphs: the MSA module and the confidence head share the one of the pair stack, which takes longest to compile.
    """
    z = pair_stack(as_input({k: p[k] for k in PAIR_STACK}), z, mask)
    return single_update(as_input({k: v for k, v in p.items() if k not in PAIR_STACK}), s, z, mask), z


def _map_leaves(tree: Any, leaf: Callable[[Any], Tensor]) -> Any:
    if isinstance(tree, dict):
        return {key: _map_leaves(child, leaf) for key, child in tree.items()}
    if isinstance(tree, list):
        return [_map_leaves(child, leaf) for child in tree]
    return leaf(tree)


def to_device(tree: Any) -> Any:
    """Turn the arrays of a nested dict or list into tensors."""
    return _map_leaves(tree, lambda array: Tensor(np.ascontiguousarray(array)))


def place(names: Any, weights: Mapping[str, np.ndarray]) -> Any:
    """Turn a nested dict of checkpoint names into float32 tensors of the checkpoint."""
    return _map_leaves(names, lambda name: Tensor(np.ascontiguousarray(weights[name], np.float32)))


def as_input(tree: Params) -> Params:
    """Mark a tree of tensors as graph input: without it each tensor is a constant and its graph compiled anew."""
    return ms.mutable(tree)
