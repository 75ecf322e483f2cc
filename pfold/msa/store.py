"""The store of alignments, under the hash of the sequence and the search."""

from pfold.files import digest
from pfold.keyed_store import KeyedStore
from pfold.msa.a3m import Alignment, format_a3m, read_a3m


def alignment_id(sequence: str, search_identity: str) -> str:
    """Identity of an alignment: the sequence and `Engine.identity()`."""
    return digest("alignment", sequence, search_identity)


class AlignmentStore(KeyedStore):
    """Alignments under one folder."""

    suffix = ".a3m"

    def read(self, key: str, query: str) -> Alignment:
        """The alignment of a key.

        Raises InputError where there is none, DamagedError, having removed it, for one that can't be read.
        """
        missing = f"the search found no alignment of {query[:20]}... ({len(query)} residues)"
        return self.load(key, lambda path: read_a3m(path, query), missing, "the next run searches it anew")

    def write(self, key: str, alignment: Alignment) -> None:
        """Keep an alignment; the file is whole or not there."""
        self.save(key, format_a3m(alignment).encode())
