"""Find, read and check a model's checkpoint."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pfold.errors import WeightsError
from pfold.files import large_file_digest, user_cache
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import AUTO, DEMO, UNTRAINED, ModelSettings
from pfold.weights.torch_file import RELEASE_BYTES, read_torch_file
from pfold.weights.untrained import untrained_weights

_MAX_NAMED = 5
# The demonstration weights come with pfold (docs/demo_model.md).
DEMO_FILE = Path(__file__).parent / "pfold_demo.safetensors"


def cache_folder() -> Path:
    """Where published checkpoints are kept: $PFOLD_WEIGHTS, or weights/ in pfold's cache."""
    return Path(os.environ.get("PFOLD_WEIGHTS") or user_cache() / "weights")


def cached_file(file: str, folder: Path | None = None) -> Path | None:
    """A published file in the cache, or its .safetensors, or the file that comes with pfold; None for none of them."""
    if file == DEMO.file:
        return DEMO_FILE
    path = (folder or cache_folder()) / file
    return next((p for p in (path.with_suffix(".safetensors"), path) if p.is_file()), None)


def published_file(settings: ModelSettings, folder: Path | None = None) -> Path:
    """The published checkpoint of a model in the cache, as .safetensors or .pt.

    Raises WeightsError, saying which file and how to get it, where the cache has neither.
    """
    found = cached_file(settings.file, folder)
    if found:
        return found
    path = (folder or cache_folder()) / settings.file
    raise WeightsError(
        f"the weights of {settings.name} are not in the cache: {path} does not exist.\n"
        f"Fetch them from {settings.url} with\n"
        f"    pfold weights fetch {settings.name}\n"
        "or copy the file there. To try pfold without them, set weights: untrained; "
        "the results are then no predictions."
    )


def resolve_weights(settings: ModelSettings, weights: str) -> Path | None:
    """The checkpoint file that a configuration's `weights` names; None for untrained weights.

    weights: "auto" (the published file), "untrained", or a path. Raises WeightsError for a file that does not exist.
    """
    if weights == UNTRAINED:
        return None
    if weights == AUTO:
        return published_file(settings)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f'weights: {path} does not exist; use a path, "auto" or "untrained"')
    return path


def weights_identity(settings: ModelSettings, weights: str) -> str:
    """Hash of the weights' content, part of a result's identity; "untrained" for untrained weights."""
    path = resolve_weights(settings, weights)
    return UNTRAINED if path is None else large_file_digest(path)


def load_weights(
    settings: ModelSettings, weights: str | Path | Mapping[str, np.ndarray] | None
) -> Mapping[str, np.ndarray]:
    """The checkpoint of a model, checked against its layout.

    weights: a path, "auto" or "untrained", a mapping of name -> array, or None for "auto". A file's tensors are read
    when they are asked for, so that no second copy of them is held.
    Raises WeightsError for a missing or unreadable file and for tensors that are missing, extra or misshapen.
    """
    if isinstance(weights, Mapping):
        check_layout(settings, weights, "the given weights")
        return weights
    path = resolve_weights(settings, str(weights or AUTO))
    if path is None:
        return untrained_weights(settings)
    tensors = read_checkpoint(path)
    check_layout(settings, tensors, str(path))
    return tensors


class _SafeTensors(Mapping[str, np.ndarray]):
    """Tensors of a mapped safetensors file, each read when it is asked for.

    The file is opened anew now and then: pages that were read would stay in memory beside the tensors made of them.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._n_read = path, 0
        self._file: Any = safe_open(path, "np")
        self._names = dict.fromkeys(self._file.keys())  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if self._n_read > RELEASE_BYTES:
            self._n_read, self._file = 0, safe_open(self._path, "np")
        tensor = np.asarray(self._file.get_tensor(name))
        self._n_read += tensor.nbytes
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_checkpoint(path: Path) -> Mapping[str, np.ndarray]:
    """Tensors of a .safetensors or .pt file. Raises WeightsError for a file that is neither."""
    if path.suffix == ".safetensors":
        try:
            return _SafeTensors(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: not a readable safetensors file ({error})") from None
    if path.suffix == ".pt":
        return read_torch_file(path)
    raise WeightsError(f"{path}: expected a .safetensors or .pt file")


def check_layout(settings: ModelSettings, weights: Mapping[str, np.ndarray], source: str) -> None:
    """Raises WeightsError, naming tensors, where the checkpoint is not this model's."""
    problems = name_problems(checkpoint_layout(settings), weights)
    if problems:
        raise WeightsError(f"{source}: not a checkpoint of {settings.name}: {problems}")


def name_problems(layout: Mapping[str, tuple[int, ...]], weights: Mapping[str, np.ndarray]) -> str:
    """What tells a checkpoint from a layout, a few tensors named; "" where nothing does."""
    problems = [
        ("missing", [n for n in layout if n not in weights]),
        ("extra", [n for n in weights if n not in layout]),
        ("misshapen", [n for n in layout if n in weights and tuple(weights[n].shape) != layout[n]]),
    ]
    return "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in problems if names)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMED]) + (", ..." if len(names) > _MAX_NAMED else "")
