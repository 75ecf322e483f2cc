"""Stores of what searches found, under the hash of what was searched: alignments and template hits."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pfold.errors import DamagedError, InputError
from pfold.files import digest, keyed_path, read_record, write_json, write_text
from pfold.search.a3m import Alignment, format_a3m, read_a3m
from pfold.search.template_hits import TemplateHit


def alignment_id(sequence: str, search_identity: str) -> str:
    """Identity of an alignment: the sequence and `SearchSettings.identity()`."""
    return digest("alignment", sequence, search_identity)


class AlignmentStore:
    """Alignments under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the alignment of a key is or will be."""
        return keyed_path(self.folder, key, ".a3m")

    def __contains__(self, key: str) -> bool:
        path = self.path(key)
        return path.is_file() and path.stat().st_size > 0

    def read(self, key: str, query: str) -> Alignment:
        """The alignment of a key.

        Raises InputError where there is none, DamagedError, having removed it, for one that can't be read.
        """
        if key not in self:
            raise InputError(f"the search found no alignment of {query[:20]}... ({len(query)} residues)")
        try:
            return read_a3m(self.path(key), query)
        except InputError as error:
            self.path(key).unlink(missing_ok=True)
            raise DamagedError(f"{error}. It is removed; the next run searches it anew") from None

    def write(self, key: str, alignment: Alignment) -> None:
        """Keep an alignment; the file is whole or not there."""
        write_text(self.path(key), format_a3m(alignment))


class TemplateHitStore:
    """Template hits of alignments under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> list[TemplateHit] | None:
        """The hits of a key; None where they were not searched yet, or the file is damaged."""
        found = read_record(keyed_path(self.folder, key, ".json"), "hits")
        return None if found is None else [TemplateHit(**hit) for hit in found["hits"]]

    def write(self, key: str, hits: Sequence[TemplateHit]) -> None:
        """Keep hits; the file is whole or not there."""
        write_json(keyed_path(self.folder, key, ".json"), {"hits": [asdict(hit) for hit in hits]})
