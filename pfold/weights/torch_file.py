"""Read a published .pt checkpoint without PyTorch and without executing anything it contains.

A .pt file is a zip of one pickle and one raw file a storage. The pickle is read by an unpickler that knows tensors,
ordered dicts and, to pass over them, argparse's settings; it refuses everything else.
"""

import mmap
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pfold.errors import WeightsError, explain

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


class _Plain:
    """What the pickle makes has no state of its own to set (opcode BUILD)."""

    def __setstate__(self, state: object) -> None:
        raise WeightsError("the file sets the state of a tensor, which a checkpoint does not need")


class _Storage(_Plain):
    """Stands for torch.<name> in the pickle."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(_DTYPES[name])


class _Data(_Plain):
    """Numbers of a storage in the mapped file."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values


class _Tensor(_Plain):
    """A tensor of the pickle."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values


class _Settings:
    """Stands for the training settings (argparse.Namespace) that ESM's checkpoints carry; what they say is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_unused: Any) -> _Tensor:
    """A view of a storage. Raises WeightsError for one that reaches beyond it."""
    if not isinstance(storage, _Data) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise WeightsError("a tensor is not made of a storage, a size and strides")
    if len(size) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)):
        raise WeightsError("a tensor's offset, sizes and strides are not whole numbers from 0 on")
    values = storage.values
    if 0 in size:
        return _Tensor(np.empty(size, values.dtype))
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= len(values):
        raise WeightsError(f"a tensor of size {size} reaches beyond its storage of {len(values)} numbers")
    strides = tuple(step * values.itemsize for step in stride)
    return _Tensor(np.lib.stride_tricks.as_strided(values[offset:], size, strides, writeable=False))


def _parameter(tensor: object, *_unused: Any) -> _Tensor:
    if not isinstance(tensor, _Tensor):
        raise WeightsError("a parameter is made of what is no tensor")
    return tensor


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler of nested dicts of tensors; storages are views of the mapped file."""

    def __init__(self, archive: zipfile.ZipFile, name: str, data: mmap.mmap) -> None:
        super().__init__(archive.open(name))
        self.archive, self.folder, self.data = archive, name.rsplit("/", 1)[0], data

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
            f"the file asks for {module}.{name}, which a checkpoint of tensors does not need. "
            "It is refused and nothing in it was executed; fetch the published file again"
        )

    def persistent_load(self, pid: Any) -> _Data:
        match pid:
            case ("storage", _Storage() as storage, str() as key, _, int() as count) if count >= 0:
                pass
            case _:
                raise WeightsError("the file names a storage in a way that torch.save does not")
        entry = self.archive.getinfo(f"{self.folder}/data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise WeightsError("compressed storages are not supported")
        start = entry.header_offset
        name_length = int.from_bytes(self.data[start + 26 : start + 28], "little")
        extra_length = int.from_bytes(self.data[start + 28 : start + 30], "little")
        offset = start + _LOCAL_HEADER + name_length + extra_length
        if count * storage.dtype.itemsize > entry.file_size:
            raise WeightsError(f"storage {key} has {entry.file_size} bytes, too few for {count} numbers")
        return _Data(np.frombuffer(self.data, storage.dtype, count=count, offset=offset))


# After so many bytes have been read one by one, the pages of the mapped file are given back.
RELEASE_BYTES = 128 << 20


class TorchTensors(dict[str, np.ndarray]):
    """Tensors by name, as views of a mapped file; those that are asked for by name do not stay in memory with it."""

    def __init__(self, tensors: Mapping[str, np.ndarray], data: mmap.mmap) -> None:
        super().__init__(tensors)
        self._data, self._n_read = data, 0

    def __getitem__(self, name: str) -> np.ndarray:
        tensor = super().__getitem__(name)
        self._n_read += tensor.nbytes
        if self._n_read > RELEASE_BYTES:
            self._n_read = 0
            self._data.madvise(mmap.MADV_DONTNEED)
        return tensor


def read_torch_file(path: Path) -> TorchTensors:
    """Tensors of a .pt file by name, as views of the mapped file.

    A training checkpoint's "model" entry is taken, and the "module." of parallel training dropped from names.
    Raises WeightsError for a file that is not a .pt of tensors, and for one that asks for anything else.
    """
    try:
        with open(path, "rb") as handle:
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            content = _TensorUnpickler(archive, name, data).load()
    except StopIteration:
        raise WeightsError(f"{path}: not a readable .pt checkpoint (no data.pkl in it)") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except Exception as error:  # A crafted pickle can make the unpickler raise anything.
        raise WeightsError(f"{path}: not a readable .pt checkpoint ({explain(error)})") from None
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(isinstance(v, _Tensor) for v in content.values()):
        raise WeightsError(f"{path}: the checkpoint is not a dict of tensors")
    tensors = {str(name).removeprefix("module."): tensor.values for name, tensor in content.items()}
    return TorchTensors(tensors, data)
