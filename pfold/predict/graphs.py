"""Compiled graphs of the model: one per block type and shape, the weights passed in, so that blocks share a graph."""

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

from pfold.model import diffusion, embedders, heads, msa_module, pairformer
from pfold.model.primitives import Params

input_feature_embedder = ms.jit(embedders.input_feature_embedder)
init_trunk = ms.jit(embedders.init_trunk)
recycle_pair = ms.jit(embedders.recycle_pair)
recycle_single = ms.jit(embedders.recycle_single)
embed_msa = ms.jit(msa_module.embed_msa)
msa_block = ms.jit(msa_module.msa_block)
pairformer_block = ms.jit(pairformer.pairformer_block)
prepare_diffusion = ms.jit(diffusion.prepare_diffusion)
denoise = ms.jit(diffusion.denoise)
distogram_head = ms.jit(heads.distogram_head)
init_confidence = ms.jit(heads.init_confidence)
embed_distances = ms.jit(heads.embed_distances)
confidence_logits = ms.jit(heads.confidence_logits)


def to_device(tree: Any) -> Any:
    """Turn the arrays of a nested dict or list into tensors."""
    if isinstance(tree, dict):
        return {key: to_device(child) for key, child in tree.items()}
    if isinstance(tree, list):
        return [to_device(child) for child in tree]
    return Tensor(np.ascontiguousarray(tree))


def as_input(tree: Params) -> Params:
    """Mark a tree of tensors as graph input: without it each tensor is a constant and its graph compiled anew."""
    return ms.mutable(tree)
