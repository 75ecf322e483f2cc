"""Stores of what searches found, under the hash of what was searched: alignments and template hits."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pfold.errors import InputError
from pfold.files import digest, keyed_path, read_json, write_json, write_text
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
        return self.path(key).is_file()

    def read(self, key: str, query: str) -> Alignment:
        """The alignment of a key. Raises InputError where it is missing or does not fit the query."""
        if key not in self:
            raise InputError(f"the search found no alignment of {query[:20]}... ({len(query)} residues)")
        return read_a3m(self.path(key), query)

    def write(self, key: str, alignment: Alignment) -> None:
        """Keep an alignment; the file is whole or not there."""
        write_text(self.path(key), format_a3m(alignment))


class TemplateHitStore:
    """Template hits of alignments under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> list[TemplateHit] | None:
        """The hits of a key; None where they were not searched yet."""
        path = keyed_path(self.folder, key, ".json")
        return [TemplateHit(**hit) for hit in read_json(path)] if path.is_file() else None

    def write(self, key: str, hits: Sequence[TemplateHit]) -> None:
        """Keep hits; the file is whole or not there."""
        write_json(keyed_path(self.folder, key, ".json"), [asdict(hit) for hit in hits])
