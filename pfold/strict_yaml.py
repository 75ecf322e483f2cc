"""YAML read strictly and within bounds: no key twice, no file that unfolds into more than it is."""

import re
from typing import Any

import yaml

# Most characters of a file, and most values that it may stand for once its aliases are followed.
MAX_CHARACTERS = 20_000_000
MAX_VALUES = 1_000_000


class _StrictLoader(yaml.SafeLoader):
    """YAML with numbers as YAML 1.2 writes them (1e-4), in which a key that stands twice is an error."""


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+$|[-+]?\.\d+[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.YAMLError(f"line {line}: a key is a list or an object")
        if key_node.value in seen:
            raise yaml.YAMLError(f'line {line}: the key "{key_node.value}" stands there twice')
        seen.add(key_node.value)
    return dict(loader.construct_mapping(node, deep=True))


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(text: str) -> Any:
    """The value of a YAML text. Raises ValueError, saying what is wrong and where."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has over {MAX_CHARACTERS} characters")
    try:
        loader = _StrictLoader(text)
    except yaml.YAMLError as error:  # Characters that no YAML has.
        raise ValueError(" ".join(str(error).split())) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Number of values that a node stands for, its aliases followed."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in above:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a value holds itself")
    if id(node) not in known:
        inner = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_count(child, known, above | {id(node)}) for child in inner)
        if known[id(node)] > MAX_VALUES:
            raise yaml.YAMLError(f"it stands for over {MAX_VALUES} values")
    return known[id(node)]
