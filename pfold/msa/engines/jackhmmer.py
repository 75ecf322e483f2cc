"""Iterated profile search of FASTA databases with HMMER, in process (pyhmmer)."""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pyhmmer.easel import DigitalMSA, TextSequence
from pyhmmer.hmmer import jackhmmer

from pfold.files import digest, file_state, large_file_digest
from pfold.msa.a3m import Alignment, query_only
from pfold.msa.check_fasta import check_fasta
from pfold.msa.database import ALPHABETS, as_text, load_database
from pfold.msa.engines.engine import OneByOne
from pfold.msa.pairing import with_taxon
from pfold.msa.settings import SearchSettings
from pfold.targets.types import PROTEIN

_GAPS = b"-.~"
_LOWER_OFFSET = ord("a") - ord("A")


class Jackhmmer(OneByOne):
    """The engine "jackhmmer"."""

    def check(self) -> None:
        """See `Engine.check`."""
        self._require_databases()
        for path in self.settings.databases:
            check_fasta(path, "search.databases", PROTEIN)

    def files(self) -> list[Path]:
        """See `Engine.files`."""
        return list(self.settings.databases)

    def identity(self) -> str:
        """See `Engine.identity`."""
        s = self.settings
        databases = [large_file_digest(path) for path in s.databases]
        return digest(s.engine, databases, s.n_iterations, s.e_value, s.max_hits)

    def search_one(self, sequence: str, cpus: int = 1) -> Alignment:
        """See `OneByOne.search_one`."""
        merged = query_only(sequence)
        for path in self.settings.databases:
            merged = merged + _search_database(sequence, path, self.settings, cpus)
        return merged.deduplicated().first(self.settings.max_hits + 1)


def _search_database(sequence: str, path: Path, settings: SearchSettings, cpus: int) -> Alignment:
    query = TextSequence(name="query", sequence=sequence).digitize(ALPHABETS[PROTEIN])
    results = jackhmmer(
        query,
        load_database(path),
        max_iterations=settings.n_iterations,
        cpus=cpus,
        E=settings.e_value,
        incE=settings.e_value,
        incdomE=settings.e_value,
    )
    return _homologs(next(iter(results)).msa, _species_names(path))


def _species_names(path: Path) -> dict[str, str]:
    """Names of a database's UniRef sequences with the taxon that pairing by species needs."""
    return _read_species(path.absolute(), file_state(path))


@functools.lru_cache(maxsize=4)
def _read_species(path: Path, _state: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for sequence in load_database(path):
        name = as_text(sequence.name)
        known = with_taxon(f"{name} {as_text(sequence.description or '')}")
        if known.startswith("UniRef100_") and " " not in known:
            names[name] = known
    return names


def _with_species(name: str, species: Mapping[str, str]) -> str:
    """A hit's name "NAME/12-140" with the taxon where the database told it."""
    base, place = name.rsplit("/", 1) if "/" in name else (name, "")
    return f"{species[base]}/{place}" if base in species else name


def _homologs(msa: DigitalMSA, species: Mapping[str, str]) -> Alignment:
    """All rows but the query as a3m: the query's residues are the columns, what lies between them is an insertion."""
    text = msa.textize()
    rows = np.array([np.frombuffer(row.encode("ascii"), np.uint8) for row in text.alignment])
    residue = ~np.isin(rows, np.frombuffer(_GAPS, np.uint8))
    column = residue[0]
    upper = rows - _LOWER_OFFSET * ((rows >= ord("a")) & (rows <= ord("z")))
    aligned = np.where(residue, upper, ord("-"))
    inserted = np.where(residue, upper + _LOWER_OFFSET, 0)
    characters = np.where(column, aligned, inserted).astype(np.uint8)
    sequences = tuple(row[row > 0].tobytes().decode("ascii") for row in characters[1:])
    return Alignment(tuple(_with_species(as_text(name), species) for name in list(text.names)[1:]), sequences)
