"""Iterated profile search of FASTA databases with HMMER, in process (pyhmmer)."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pyhmmer.easel import Alphabet, DigitalMSA, DigitalSequenceBlock, SequenceFile, TextSequence
from pyhmmer.hmmer import jackhmmer

from pfold.errors import SearchError
from pfold.search.a3m import Alignment, query_only
from pfold.search.settings import SearchSettings

_ALPHABET: Alphabet = Alphabet.amino()
_GAPS = b"-.~"
_LOWER_OFFSET = ord("a") - ord("A")


@functools.lru_cache(maxsize=4)
def load_database(path: Path) -> DigitalSequenceBlock:
    """A FASTA database in memory. Raises SearchError for a file that is not protein FASTA."""
    try:
        with SequenceFile(str(path), digital=True, alphabet=_ALPHABET) as file:
            block = file.read_block()
    except (OSError, ValueError, EOFError) as error:
        raise SearchError(f"search database {path}: can't be read as protein FASTA ({error})") from None
    if len(block) == 0:
        raise SearchError(f"search database {path}: no sequence in it")
    return block


def search(sequence: str, settings: SearchSettings, cpus: int = 1) -> Alignment:
    """Homologs of a sequence in all databases, aligned to it; the query is the first row.

    Raises SearchError for a database that can't be read.
    """
    merged = query_only(sequence)
    for path in settings.databases:
        merged = merged + _search_database(sequence, path, settings, cpus)
    return merged.deduplicated().first(settings.max_hits + 1)


def _search_database(sequence: str, path: Path, settings: SearchSettings, cpus: int) -> Alignment:
    query = TextSequence(name="query", sequence=sequence).digitize(_ALPHABET)
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


# A UniRef header's cluster and taxon: "UniRef100_P12345 Some protein n=1 Tax=Homo sapiens TaxID=9606 RepID=...".
_UNIREF = re.compile(r"UniRef\d+_([^_\s/]+)")
_TAXON = re.compile(r"\bTaxID=(\d+)")


@functools.lru_cache(maxsize=4)
def _species_names(path: Path) -> dict[str, str]:
    """Names of a database's UniRef sequences with the taxon that pairing by species needs, "UniRef100_P12345_9606"."""
    names: dict[str, str] = {}
    for sequence in load_database(path):
        cluster, taxon = _UNIREF.match(_text(sequence.name)), _TAXON.search(_text(sequence.description or ""))
        if cluster and taxon:
            names[_text(sequence.name)] = f"UniRef100_{cluster[1]}_{taxon[1]}"
    return names


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


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
    return Alignment(tuple(_with_species(_text(name), species) for name in list(text.names)[1:]), sequences)
