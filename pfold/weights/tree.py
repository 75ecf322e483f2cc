"""From flat checkpoint names to the nested parameters that model functions take."""

from collections.abc import Mapping
from typing import Any

# Last parts of the names of tensors that belong to a layer; other tensors belong to their module directly.
LAYER_TENSORS = ("weight", "bias", "w", "b")


def nest(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Nest flat names by module: one dict a module, its tensors keyed "layer.weight", numbered blocks in a list.

    A module that holds nothing but blocks shares their key, because a MindSpore graph takes inputs nested at most 6
    levels deep: {"stack.blocks.0.norm.weight": w} -> {"stack.blocks": [{"norm.weight": w}]}.
    """
    root: dict[str, Any] = {}
    for name, array in weights.items():
        path = name.split(".")
        n_leaf = 2 if path[-1] in LAYER_TENSORS else 1
        node = root
        for module in path[:-n_leaf]:
            node = node.setdefault(module, {})
        node[".".join(path[-n_leaf:])] = array
    return _merge_blocks(root)


def _merge_blocks(node: dict[str, Any]) -> dict[str, Any]:
    """Turn numbered children into lists, and give a module with one list and nothing else the list's key."""
    merged: dict[str, Any] = {}
    for key, child in node.items():
        if not isinstance(child, dict):
            merged[key] = child
        elif set(child) == {str(i) for i in range(len(child))}:
            merged[key] = [_merge_blocks(child[str(i)]) for i in range(len(child))]
        else:
            inner = _merge_blocks(child)
            only = next(iter(inner))
            if len(inner) == 1 and isinstance(inner[only], list):
                merged[f"{key}.{only}"] = inner[only]
            else:
                merged[key] = inner
    return merged
