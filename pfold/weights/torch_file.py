"""Read a published .pt checkpoint without PyTorch and without executing anything it contains.

A .pt file is a zip of one pickle and one raw file a storage. The pickle is read by an unpickler that knows tensors,
ordered dicts and, to pass over them, argparse's settings; it refuses everything else.
"""

import mmap
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from pfold.errors import WeightsError

_DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "BoolStorage": np.bool_,
    "ByteStorage": np.uint8,
}
# Bytes of a zip entry's header before its name and extra field, and where their lengths stand in it.
_LOCAL_HEADER = 30


class _Storage:
    """Stands for torch.<name> in the pickle."""

    def __init__(self, name: str) -> None:
        self.dtype = _DTYPES[name]


class _Settings:
    """Stands for the training settings (argparse.Namespace) that ESM's checkpoints carry; what they say is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


def _tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_unused: Any
) -> np.ndarray:
    strides = tuple(s * storage.itemsize for s in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _parameter(tensor: np.ndarray, *_unused: Any) -> np.ndarray:
    return tensor


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler of nested dicts of tensors; storages are views of the mapped file."""

    def __init__(self, archive: zipfile.ZipFile, name: str, data: mmap.mmap, path: Path) -> None:
        super().__init__(archive.open(name))
        self.archive, self.folder, self.data, self.path = archive, name.rsplit("/", 1)[0], data, path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module == "torch" and name in _DTYPES:
            return _Storage(name)
        if (module, name) == ("argparse", "Namespace"):
            return _Settings
        raise WeightsError(
            f"{self.path}: the file asks for {module}.{name}, which a checkpoint of tensors does not need. "
            "It is refused and nothing in it was executed; fetch the published file again"
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, storage, key, _, count = pid
        entry = self.archive.getinfo(f"{self.folder}/data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise WeightsError(f"{self.path}: compressed storages are not supported")
        start = entry.header_offset
        name_length = int.from_bytes(self.data[start + 26 : start + 28], "little")
        extra_length = int.from_bytes(self.data[start + 28 : start + 30], "little")
        offset = start + _LOCAL_HEADER + name_length + extra_length
        return np.frombuffer(self.data, storage.dtype, count=count, offset=offset)


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a .pt file by name, as views of the mapped file.

    A training checkpoint's "model" entry is taken, and the "module." of parallel training dropped from names.
    Raises WeightsError for a file that is not a .pt of tensors, and for one that asks for anything else.
    """
    try:
        with open(path, "rb") as handle:
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            content = _TensorUnpickler(archive, name, data, path).load()
    except (zipfile.BadZipFile, StopIteration, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: not a readable .pt checkpoint ({error or 'no data.pkl in it'})") from None
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(isinstance(v, np.ndarray) for v in content.values()):
        raise WeightsError(f"{path}: the checkpoint is not a dict of tensors")
    return {str(name).removeprefix("module."): array for name, array in content.items()}
