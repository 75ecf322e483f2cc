"""Writes .pt files as torch.save does, without PyTorch; and crafted ones, as it never would."""

import collections
import pickle
import zipfile
from typing import ClassVar

import numpy as np


class _Global:
    """Pickles as a reference to module.name, as PyTorch's own classes do."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _TorchPickler(pickle._Pickler):
    """Writes what torch.save writes, without PyTorch."""

    def persistent_id(self, item: object) -> object:
        return item.pid if isinstance(item, _StorageRef) else None

    def save_global_ref(self, ref: _Global) -> None:
        self.write(pickle.GLOBAL + f"{ref.module}\n{ref.name}\n".encode())

    dispatch: ClassVar = {**pickle._Pickler.dispatch, _Global: save_global_ref}


class _StorageRef:
    def __init__(self, key: str, count: int) -> None:
        self.pid: object = ("storage", _Global("torch", "FloatStorage"), key, "cpu", count)


class _TensorRef:
    """A tensor; crafted ones say an offset, size, strides or state of their own."""

    def __init__(self, key: str, shape: tuple[int, ...], **crafted: object) -> None:
        self.key, self.shape, self.crafted = key, shape, crafted

    def __reduce_ex__(self, _protocol: int):
        strides = tuple(int(np.prod(self.shape[i + 1 :])) for i in range(len(self.shape)))
        storage = _StorageRef(self.key, int(self.crafted.get("count", np.prod(self.shape))))
        storage.pid = self.crafted.get("pid", storage.pid)
        offset, size = self.crafted.get("offset", 0), self.crafted.get("size", self.shape)
        arguments = (storage, offset, size, self.crafted.get("stride", strides), False, collections.OrderedDict())
        state = self.crafted.get("state")
        return (_Rebuild(), arguments) if state is None else (_Rebuild(), arguments, state)


class _Rebuild(_Global):
    def __init__(self) -> None:
        super().__init__("torch._utils", "_rebuild_tensor_v2")

    def __call__(self) -> None:
        raise AssertionError


_TorchPickler.dispatch[_Rebuild] = _TorchPickler.save_global_ref


def torch_save(path, weights: dict[str, np.ndarray], **crafted: object) -> None:
    """Write a .pt as a parallel training run of the reference would; `crafted` goes into every tensor."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        tensors = {
            f"module.{name}": _TensorRef(str(i), w.shape, **crafted) for i, (name, w) in enumerate(weights.items())
        }
        with archive.open("archive/data.pkl", "w") as handle:
            _TorchPickler(handle, protocol=2).dump({"model": tensors})
        for i, w in enumerate(weights.values()):
            archive.writestr(f"archive/data/{i}", w.tobytes())
