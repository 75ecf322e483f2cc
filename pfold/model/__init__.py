"""The AlphaFold 3 algorithms as pure functions of (params, inputs), one file per algorithm family.

`params` is the part of the checkpoint under a module's prefix, as nested dicts with the checkpoint's own names
(`p["tri_mul_out"]["linear_z.weight"]`); numbered children (`blocks.0`, `blocks.1`) are lists.
"""
