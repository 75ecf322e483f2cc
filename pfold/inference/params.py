"""A model's parameters on the device: made once, split once by the graphs that take them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pfold.inference.graphs import as_input, place
from pfold.model.primitives import Params
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings
from pfold.weights.tree import nest

# Weights that are bfloat16 in a model of that type: of the linear layers on singles and atoms that every block repeats.
# The operators on pairs round theirs as they go.
_NARROW = re.compile(
    r"(^|\.)(pairformer_stack\.blocks\.\d+\.(attention_pair_bias\.attention|single_transition)"
    r"|^diffusion_module\.(.+\.)?diffusion_transformer\.blocks\.\d+)\.(?!.*linear_nobias_z)(.*\.)?linear\w*\.weight$"
)
# Entries of the checkpoint that the trunk reads outside its blocks.
_TRUNK_ENTRIES = ("relative_position_encoding", "linear_no_bias_", "layernorm_")
_PAIRFORMER = "pairformer_stack.blocks"


@dataclass(frozen=True)
class Stack:
    """A module that has a stack of blocks: what it reads outside them, and the parameters of each block."""

    head: Params
    blocks: Sequence[Params]


@dataclass(frozen=True)
class ModelParams:
    """Parameters by graph, each marked as a graph's input; what a model does not have is None."""

    input_embedder: Params
    trunk: Stack
    msa_blocks: Sequence[Params]
    template_embedder: Stack | None
    constraint_embedder: Params | None
    diffusion_module: Params
    distogram_head: Params
    confidence_head: Stack


def place_params(settings: ModelSettings, weights: Mapping[str, np.ndarray], dtype: str) -> ModelParams:
    """Put a checkpoint on the device, one tensor after another, so that no second copy of it is held.

    In the order of the model's layout, whatever that of the checkpoint: graphs take their weights in order.
    """
    names = {name: name for name in checkpoint_layout(settings)}
    return arrange_params(settings, place(nest(names), weights, _NARROW if dtype == "bfloat16" else None))


def arrange_params(settings: ModelSettings, p: dict[str, Any]) -> ModelParams:
    """The nested tensors of a whole checkpoint, in the layout's order, by the graphs that take them."""
    msa = p["msa_module"]
    trunk = {k: v for k, v in p.items() if k.startswith(_TRUNK_ENTRIES)}
    trunk |= {"msa_module": {k: v for k, v in msa.items() if k != "blocks"}}
    return ModelParams(
        input_embedder=as_input(p["input_embedder"]),
        trunk=Stack(as_input(trunk), _blocks(p[_PAIRFORMER])),
        msa_blocks=_blocks(msa["blocks"]),
        template_embedder=_stack(p["template_embedder"]) if settings.n_template_block else None,
        constraint_embedder=as_input(p["constraint_embedder"]) if settings.constraints else None,
        diffusion_module=as_input(p["diffusion_module"]),
        distogram_head=as_input(p["distogram_head"]),
        confidence_head=_stack(p["confidence_head"]),
    )


def _blocks(blocks: Sequence[Params]) -> list[Params]:
    """Each a graph's input of its own."""
    return [as_input(block) for block in blocks]


def _stack(p: Params) -> Stack:
    """A module all of whose blocks go into one graph."""
    return Stack(as_input({k: v for k, v in p.items() if k != _PAIRFORMER}), as_input(p[_PAIRFORMER]))
