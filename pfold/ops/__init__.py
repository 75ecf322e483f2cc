"""The kernels the model calls: one signature each; how they run and in how many chunks is decided here.

The reference backend (`pfold.ops.reference`) is plain MindSpore and runs on every device MindSpore knows.
"""

from pfold.ops.reference import (
    MASKED,
    attention,
    expand,
    layer_norm,
    linear,
    outer_product_mean,
    pair_weighted_average,
    transition,
    triangle_attention,
    triangle_product,
)

__all__ = [
    "MASKED",
    "attention",
    "expand",
    "layer_norm",
    "linear",
    "outer_product_mean",
    "pair_weighted_average",
    "transition",
    "triangle_attention",
    "triangle_product",
]
