"""Searches of FASTA databases with HMMER, in process (pyhmmer); imported by the engines when they search."""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pyhmmer.easel import DigitalMSA, TextSequence
from pyhmmer.hmmer import jackhmmer, nhmmer
from pyhmmer.plan7 import Alignment as HmmAlignment

from pfold.files import file_state
from pfold.msa.a3m import Alignment
from pfold.msa.database import ALPHABETS, as_text, load_database
from pfold.msa.pairing import with_taxon
from pfold.msa.settings import SearchSettings
from pfold.targets.types import PROTEIN, RNA

_GAPS = b"-.~"
_LOWER_OFFSET = ord("a") - ord("A")
# As AlphaFold 3 runs nhmmer: E-value, and the filter for short queries.
RNA_E_VALUE = 1e-3
SHORT_QUERY = 50
SHORT_FILTER = 0.02


def search_proteins(sequence: str, path: Path, settings: SearchSettings, cpus: int) -> Alignment:
    """Homologs of a protein in a FASTA database by iterated profile search (jackhmmer), aligned to it, without it.

    Raises SearchError for a database that can't be read.
    """
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


def search_rna(sequence: str, path: Path, cpus: int) -> Alignment:
    """Homologs of an RNA in a FASTA database (nhmmer), aligned to it, without it. Raises SearchError as above."""
    letters = sequence.replace("X", "N").replace("I", "N")
    query = TextSequence(name="query", sequence=letters).digitize(ALPHABETS[RNA])
    short = {"F3": SHORT_FILTER} if len(sequence) < SHORT_QUERY else {}
    database = load_database(path, RNA)
    hits = next(iter(nhmmer(query, database, cpus=cpus, E=RNA_E_VALUE, incE=RNA_E_VALUE, strand="watson", **short)))
    found = [(domain.alignment, hit.name) for hit in hits.included for domain in hit.domains.included]
    rows = tuple(_row(alignment, len(sequence)) for alignment, _ in found)
    return Alignment(tuple(as_text(name) for _, name in found), rows)


def _row(alignment: HmmAlignment, length: int) -> str:
    """The a3m row of an alignment to the query's profile, which has a column a residue of the query."""
    model = np.frombuffer(alignment.hmm_sequence.encode("ascii"), np.uint8)
    target = alignment.target_sequence.upper().replace("T", "U")
    letters = np.frombuffer(target.encode("ascii"), np.uint8)
    inserted = model == ord(".")
    row = np.where(inserted, letters + 32, letters).astype(np.uint8).tobytes().decode("ascii")
    return "-" * (alignment.hmm_from - 1) + row + "-" * (length - alignment.hmm_to)
