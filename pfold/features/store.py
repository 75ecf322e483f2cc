"""The feature store: one file a target and alignments, without what can be rebuilt or is per seed."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pfold.features.schema import Features
from pfold.features.templates import empty_templates, is_empty
from pfold.keyed_store import KeyedStore

# Arrays over token pairs: most are zero nearly everywhere, and those of templates are computed when they are needed.
_SPARSE = ("token_bonds", "constraint_contact", "constraint_contact_atom", "constraint_pocket")


class FeatureStore(KeyedStore):
    """Features under one folder."""

    suffix = ".npz"

    def write(self, key: str, features: Features) -> None:
        """Keep features; the file is whole or not there. Pair features of templates are left out."""
        kept: dict[str, np.ndarray] = {}
        for name, array in features.items():
            if name in _SPARSE:
                kept |= _to_sparse(name, array)
            elif not (name.startswith("template_") and is_empty(features)):
                kept[name] = array
        # Packed before it is written: on a full disk zipfile's own error hides the system's.
        packed = io.BytesIO()
        # As numpy.savez_compressed, but nearly five times as fast, for a third more bytes.
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in kept.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.save(file, array, allow_pickle=False)
        self.save(key, packed.getvalue())

    def read(self, key: str) -> Features:
        """The features of a key.

        Raises InputError where they are missing, DamagedError, having removed them, where they can't be read.
        """
        missing = f"{self.path(key)}: the features are missing; run the features stage first"
        return self.load(key, _read_features, missing, "the features are made anew")


def _read_features(path: Path) -> Features:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if not name.endswith(_PARTS)}
        arrays |= {name: _from_sparse(name, stored) for name in _SPARSE}
    if "template_aatype" not in arrays:
        arrays |= empty_templates(len(arrays["token_index"]))
    return Features(arrays)


_PARTS = (".at", ".value", ".shape")


def _to_sparse(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """The entries of a nearly empty array that are not zero."""
    at = np.flatnonzero(array)
    return {f"{name}.at": at, f"{name}.value": array.reshape(-1)[at], f"{name}.shape": np.array(array.shape)}


def _from_sparse(name: str, stored: Mapping[str, np.ndarray]) -> np.ndarray:
    values = stored[f"{name}.value"]
    array = np.zeros(tuple(stored[f"{name}.shape"]), values.dtype)
    array.reshape(-1)[stored[f"{name}.at"]] = values
    return array
