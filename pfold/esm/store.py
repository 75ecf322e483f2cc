"""The store of ESM-2's embeddings, under the hash of the sequence; a folder for each model and checkpoint."""

import io

import numpy as np

from pfold.esm.settings import MAX_RESIDUES
from pfold.files import digest
from pfold.keyed_store import KeyedStore


class EmbeddingStore(KeyedStore):
    """Embeddings of sequences under one folder, one model's."""

    suffix = ".npy"

    def __contains__(self, sequence: str) -> bool:
        return super().__contains__(_key(sequence))

    def read(self, sequence: str) -> np.ndarray:
        """The embeddings of a sequence, [len(sequence), c] float32.

        Raises InputError where there are none, DamagedError, having removed them, where they can't be read.
        """
        missing = (
            f"there are no embeddings of {sequence[:20]}... ({len(sequence)} residues); chains over {MAX_RESIDUES} "
            "residues are not embedded"
        )
        return self.load(_key(sequence), lambda path: np.asarray(np.load(path)), missing, "the next attempt makes them")

    def write(self, sequence: str, embeddings: np.ndarray) -> None:
        """Keep embeddings; the file is whole or not there."""
        packed = io.BytesIO()
        np.save(packed, embeddings)
        self.save(_key(sequence), packed.getvalue())


def _key(sequence: str) -> str:
    return digest("embedding", sequence)
