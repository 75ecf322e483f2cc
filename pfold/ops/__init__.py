"""The kernels the model calls: one signature each; how they run and in how many chunks is decided here.

Backends hold the same functions: `pfold.ops.reference` in plain MindSpore, `pfold.ops.cpu` fused in C++, and
`pfold.ops.ascend` for Ascend NPUs. The first use of an operator picks one: PFOLD_BACKEND where it is set, else that of
the device, else the reference.
"""

import importlib
import logging
import os
import re
from types import ModuleType
from typing import Any

from pfold.errors import OutOfMemoryError
from pfold.ops.layers import MASKED, attention, expand

__all__ = ["MASKED", "attention", "backend", "expand", "explained", "identity", "in_place", "use"]

logger = logging.getLogger(__name__)

BACKENDS = ("reference", "cpu", "ascend")
# What every backend defines; documented in `pfold.ops.reference` and `pfold.ops.layers`.
OPERATORS = (
    "adaptive_norm",
    "affine",
    "after",
    "confidence_pairs",
    "diffusion_pairs",
    "gated_sum",
    "gated_transition",
    "layer_norm",
    "outer_product_mean",
    "pair_bias",
    "pair_embedding",
    "pair_logits",
    "pair_weighted_averaging",
    "release_memory",
    "row_transition",
    "symmetric_pair_logits",
    "token_attention",
    "triangle_attention_ending",
    "triangle_attention_starting",
    "triangle_multiplication_incoming",
    "triangle_multiplication_outgoing",
    "updated",
    "window_attention",
)
_chosen: ModuleType | None = None


def use(name: str) -> None:
    """Use the backend `name` from now on; graphs that were compiled keep theirs. Raises what hinders it."""
    global _chosen
    if name not in BACKENDS:
        raise ValueError(f'PFOLD_BACKEND is "{name}"; use one of {", ".join(BACKENDS)}')
    _chosen = importlib.import_module(f"pfold.ops.{name}")
    # MindSpore's graphs look names up in the module's own dictionary.
    globals().update({operator: getattr(_chosen, operator) for operator in OPERATORS})


def backend() -> str:
    """Name of the backend in use; picks one if none has been."""
    if _chosen is None:
        _choose()
    assert _chosen is not None
    return _chosen.__name__.rpartition(".")[2]


def identity() -> str:
    """What tells compiled graphs of this backend from others: its name, and the fused operators' library."""
    return f"{backend()} {getattr(_chosen, 'LIBRARY', '')}"


def in_place() -> bool:
    """Whether updates of pairs and alignments change the tensor that is passed in."""
    return backend() == "cpu"


# What MindSpore says where its device has no memory left (its memory manager and its actors, CPU and Ascend).
_NO_MEMORY = re.compile(
    r"Memory not enough|memory isn't enough|memory is not enough|[Aa]lloc(ate)? [a-z ]*mem(ory)? failed"
    r"|[Mm]alloc [a-z ]*failed|[Mm]emory malloc failed",
)


def explained(error: RuntimeError) -> Exception:
    """What made a graph fail: OutOfMemoryError, OperatorError with an operator's own words, or the error itself."""
    refusal = _chosen.take_refusal() if _chosen is not None and hasattr(_chosen, "take_refusal") else None
    if refusal is not None:
        return refusal
    said = next((line for line in str(error).splitlines() if _NO_MEMORY.search(line)), None)
    return error if said is None else OutOfMemoryError(said.strip()[:300])


def _choose() -> None:
    from mindspore import context

    from pfold.ops.build import KernelBuildError

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


def __getattr__(name: str) -> Any:
    if name not in OPERATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    backend()
    return globals()[name]
