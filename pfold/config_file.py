"""Configuration files: strict YAML, and paths relative to the file that names them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfold.errors import ConfigError
from pfold.strict_yaml import load_yaml
from pfold.weights.published import AUTO, UNTRAINED

# Keys that hold a path or a list of paths, and what they may say instead of one.
_PATH_KEYS = ("targets", "only", "results", "store", "weights", "esm_weights", "components", "environment")
_PAIR_PATH_KEYS = ("baits", "preys", "table")
_SEARCH_PATH_KEYS = ("databases", "rna_databases")
_TEMPLATE_PATH_KEYS = ("seqres", "mmcif")
_WORDS = (AUTO, UNTRAINED)


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a configuration file, its paths relative to the working directory.

    Raises ConfigError for a file that can't be read, is no YAML, or has a key twice.
    """
    return with_paths(read_keys(path, "targets: [my.fasta]"), path.parent)


def read_keys(path: Path, example: str) -> dict[str, Any]:
    """The keys of a YAML file as they stand there; an empty file has none.

    Raises ConfigError as `read_config`; example: a key and a value, for a file that has none of both.
    """
    try:
        raw = load_yaml(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: the configuration can't be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: not a configuration: expected keys and values, such as {example}")
    return raw


def layered_config(files: Sequence[Path], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of several files, later ones first, and of the command line, whose paths are the working directory's."""
    merged: dict[str, Any] = {}
    for layer in [*map(read_config, files), with_paths(overrides, Path())]:
        merge_keys(merged, layer)
    return merged


def merge_keys(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Put a layer's keys over those that are there, of keys that hold others each by itself."""
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge_keys(into[key], value)
        else:
            into[key] = value


def with_paths(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same keys with every path taken from `folder`, and "~" as the home it stands for.

    Raises ConfigError for the home of a user that does not exist.
    """
    keys = dict(raw)
    _take_paths(keys, _PATH_KEYS, folder, "")
    if isinstance(keys.get("pairs"), Mapping):
        keys["pairs"] = pairs = dict(keys["pairs"])
        _take_paths(pairs, _PAIR_PATH_KEYS, folder, "pairs.")
    if isinstance(keys.get("cascade"), list | tuple):
        keys["cascade"] = [_step_with_paths(step, folder) for step in keys["cascade"]]
    search = keys.get("search")
    if isinstance(search, Mapping):
        keys["search"] = search = dict(search)
        _take_paths(search, _SEARCH_PATH_KEYS, folder, "search.")
        if isinstance(search.get("templates"), Mapping):
            search["templates"] = dict(search["templates"])
            _take_paths(search["templates"], _TEMPLATE_PATH_KEYS, folder, "search.templates.")
    return keys


def _step_with_paths(step: Any, folder: Path) -> Any:
    """A cascade's step, whose own keys may hold paths too."""
    own = step.get("set") if isinstance(step, Mapping) else None
    return {**step, "set": with_paths(own, folder)} if isinstance(own, Mapping) else step


def _take_paths(keys: dict[str, Any], names: Sequence[str], folder: Path, where: str) -> None:
    for name in names:
        value = keys.get(name)
        if isinstance(value, str):
            keys[name] = _path(value, folder, where + name)
        elif isinstance(value, list | tuple):
            keys[name] = [_path(v, folder, where + name) if isinstance(v, str) else v for v in value]


def _path(value: str, folder: Path, key: str) -> str:
    if value in _WORDS or not value:
        return value
    try:
        path = folder / Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigError(f'"{key}": {value}: {error}') from None
    # Short where it is below the working directory: in messages, and in the workflow's names of files.
    full = os.path.abspath(path)
    inside = os.path.relpath(full)
    return full if inside.startswith("..") else inside
