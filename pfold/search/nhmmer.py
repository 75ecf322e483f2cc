"""Search of RNA databases with nhmmer (pyhmmer)."""

import functools
from pathlib import Path

import numpy as np
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, SequenceFile, TextSequence
from pyhmmer.hmmer import nhmmer
from pyhmmer.plan7 import Alignment as HmmAlignment

from pfold.errors import SearchError
from pfold.search.a3m import Alignment, query_only
from pfold.search.settings import SearchSettings

_ALPHABET: Alphabet = Alphabet.rna()
# As AlphaFold 3 runs nhmmer: E-value, and the filter for short queries.
E_VALUE = 1e-3
SHORT_QUERY = 50
SHORT_FILTER = 0.02


@functools.lru_cache(maxsize=4)
def load_rna_database(path: Path) -> DigitalSequenceBlock:
    """A FASTA database of RNA in memory. Raises SearchError for a file that is not nucleotide FASTA."""
    try:
        with SequenceFile(str(path), digital=True, alphabet=_ALPHABET) as file:
            block = file.read_block()
    except (OSError, ValueError, EOFError) as error:
        raise SearchError(f"search database {path}: can't be read as RNA FASTA ({error})") from None
    if len(block) == 0:
        raise SearchError(f"search database {path}: no sequence in it")
    return block


def search(sequence: str, settings: SearchSettings, cpus: int = 1) -> Alignment:
    """Homologs of an RNA in all RNA databases, aligned to it; the query is the first row.

    Raises SearchError for a database that can't be read.
    """
    merged = query_only(sequence)
    query = TextSequence(name="query", sequence=sequence.replace("X", "N").replace("I", "N")).digitize(_ALPHABET)
    short = {"F3": SHORT_FILTER} if len(sequence) < SHORT_QUERY else {}
    for path in settings.rna_databases:
        database = load_rna_database(path)
        hits = next(iter(nhmmer(query, database, cpus=cpus, E=E_VALUE, incE=E_VALUE, strand="watson", **short)))
        found = [(domain.alignment, hit.name) for hit in hits.included for domain in hit.domains.included]
        rows = tuple(_row(alignment, len(sequence)) for alignment, _ in found)
        merged = merged + Alignment(tuple(_text(name) for _, name in found), rows)
    return merged.deduplicated().first(settings.max_hits + 1)


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode()


def _row(alignment: HmmAlignment, length: int) -> str:
    """The a3m row of an alignment to the query's profile, which has a column a residue of the query."""
    model = np.frombuffer(alignment.hmm_sequence.encode("ascii"), np.uint8)
    target = alignment.target_sequence.upper().replace("T", "U")
    letters = np.frombuffer(target.encode("ascii"), np.uint8)
    inserted = model == ord(".")
    row = np.where(inserted, letters + 32, letters).astype(np.uint8).tobytes().decode("ascii")
    return "-" * (alignment.hmm_from - 1) + row + "-" * (length - alignment.hmm_to)
