"""The alignment store: one a3m per sequence and search settings, found again by their hash."""

from pathlib import Path

from pfold.files import digest, write_text
from pfold.search.a3m import Alignment, format_a3m, read_a3m


def alignment_id(sequence: str, search_identity: str) -> str:
    """Identity of an alignment: the sequence and `SearchSettings.identity()`."""
    return digest("alignment", sequence, search_identity)


class AlignmentStore:
    """Alignments under one folder, spread over 256 subfolders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the alignment of a key is or will be."""
        return self.folder / key[:2] / f"{key}.a3m"

    def __contains__(self, key: str) -> bool:
        return self.path(key).is_file()

    def read(self, key: str, query: str) -> Alignment:
        """The alignment of a key. Raises InputError where it is missing or does not fit the query."""
        return read_a3m(self.path(key), query)

    def write(self, key: str, alignment: Alignment) -> None:
        """Keep an alignment; the file is whole or not there."""
        write_text(self.path(key), format_a3m(alignment))
