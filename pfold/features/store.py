"""The feature store: one file a target and alignments, without what can be rebuilt or is per seed."""

from pathlib import Path

import numpy as np

from pfold.errors import InputError
from pfold.features.templates import empty_templates
from pfold.files import atomic_file

Features = dict[str, np.ndarray]

# Arrays over token pairs that are zero or empty for proteins without templates; rebuilt on reading.
_REBUILT = ("template_", "token_bonds")


class FeatureStore:
    """Features under one folder, spread over 256 subfolders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the features of a key are or will be."""
        return self.folder / key[:2] / f"{key}.npz"

    def __contains__(self, key: str) -> bool:
        return self.path(key).is_file()

    def write(self, key: str, features: Features) -> None:
        """Keep features; the file is whole or not there."""
        kept = {name: array for name, array in features.items() if not name.startswith(_REBUILT)}
        with atomic_file(self.path(key)) as temporary, open(temporary, "wb") as handle:
            np.savez_compressed(handle, **kept)

    def read(self, key: str) -> Features:
        """The features of a key. Raises InputError where they are missing."""
        path = self.path(key)
        if not path.is_file():
            raise InputError(f"{path}: the features are missing; run the features stage first")
        with np.load(path) as stored:
            features = {name: stored[name] for name in stored.files}
        n_token = len(features["token_index"])
        features["token_bonds"] = np.zeros((n_token, n_token), np.float32)
        return features | empty_templates(n_token)
