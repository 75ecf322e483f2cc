"""The feature store: one file a target and alignments, without what can be rebuilt or is per seed."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pfold.errors import DamagedError, InputError
from pfold.features.templates import empty_templates, is_empty
from pfold.files import atomic_file, keyed_path

Features = dict[str, np.ndarray]

# Arrays over token pairs: most are zero nearly everywhere, and those of templates are computed when they are needed.
_SPARSE = ("token_bonds", "constraint_contact", "constraint_contact_atom", "constraint_pocket")


class FeatureStore:
    """Features under one folder, spread over 256 subfolders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the features of a key are or will be."""
        return keyed_path(self.folder, key, ".npz")

    def __contains__(self, key: str) -> bool:
        path = self.path(key)
        return path.is_file() and path.stat().st_size > 0

    def write(self, key: str, features: Features) -> None:
        """Keep features; the file is whole or not there. Pair features of templates are left out."""
        kept: Features = {}
        for name, array in features.items():
            if name in _SPARSE:
                kept |= _to_sparse(name, array)
            elif not (name.startswith("template_") and is_empty(features)):
                kept[name] = array
        # Packed before it is written: on a full disk zipfile's own error hides the system's.
        packed = io.BytesIO()
        np.savez_compressed(packed, **kept)
        with atomic_file(self.path(key)) as temporary:
            temporary.write_bytes(packed.getbuffer())

    def read(self, key: str) -> Features:
        """The features of a key.

        Raises InputError where they are missing, DamagedError, having removed them, where they can't be read.
        """
        path = self.path(key)
        if not path.is_file():
            raise InputError(f"{path}: the features are missing; run the features stage first")
        try:
            with np.load(path) as stored:
                features = {name: stored[name] for name in stored.files if not name.endswith(_PARTS)}
                features |= {name: _from_sparse(name, stored) for name in _SPARSE}
        except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile, zlib.error) as error:
            path.unlink(missing_ok=True)
            raise DamagedError(f"{path}: the features can't be read and are made anew ({error})") from None
        if "template_aatype" not in features:
            features |= empty_templates(len(features["token_index"]))
        return features


_PARTS = (".at", ".value", ".shape")


def _to_sparse(name: str, array: np.ndarray) -> Features:
    """The entries of a nearly empty array that are not zero."""
    at = np.flatnonzero(array)
    return {f"{name}.at": at, f"{name}.value": array.reshape(-1)[at], f"{name}.shape": np.array(array.shape)}


def _from_sparse(name: str, stored: Mapping[str, np.ndarray]) -> np.ndarray:
    values = stored[f"{name}.value"]
    array = np.zeros(tuple(stored[f"{name}.shape"]), values.dtype)
    array.reshape(-1)[stored[f"{name}.at"]] = values
    return array
