"""Search of RNA databases with nhmmer (pyhmmer)."""

from pathlib import Path

import numpy as np
from pyhmmer.easel import TextSequence
from pyhmmer.hmmer import nhmmer
from pyhmmer.plan7 import Alignment as HmmAlignment

from pfold.files import digest, large_file_digest
from pfold.msa.a3m import Alignment, query_only
from pfold.msa.check_fasta import check_fasta
from pfold.msa.database import ALPHABETS, as_text, load_database
from pfold.msa.engines.engine import OneByOne
from pfold.targets.types import RNA

# As AlphaFold 3 runs nhmmer: E-value, and the filter for short queries.
E_VALUE = 1e-3
SHORT_QUERY = 50
SHORT_FILTER = 0.02


class Nhmmer(OneByOne):
    """The engine of RNA; without RNA databases it needs nothing, and nothing is searched."""

    def check(self) -> None:
        """See `Engine.check`."""
        for path in self.settings.rna_databases:
            check_fasta(path, "search.rna_databases", RNA)

    def files(self) -> list[Path]:
        """See `Engine.files`."""
        return list(self.settings.rna_databases)

    def identity(self) -> str:
        """See `Engine.identity`."""
        return digest("nhmmer", [large_file_digest(path) for path in self.files()], self.settings.max_hits)

    def search_one(self, sequence: str, cpus: int = 1) -> Alignment:
        """See `OneByOne.search_one`."""
        merged = query_only(sequence)
        letters = sequence.replace("X", "N").replace("I", "N")
        query = TextSequence(name="query", sequence=letters).digitize(ALPHABETS[RNA])
        short = {"F3": SHORT_FILTER} if len(sequence) < SHORT_QUERY else {}
        for path in self.settings.rna_databases:
            database = load_database(path, RNA)
            hits = next(iter(nhmmer(query, database, cpus=cpus, E=E_VALUE, incE=E_VALUE, strand="watson", **short)))
            found = [(domain.alignment, hit.name) for hit in hits.included for domain in hit.domains.included]
            rows = tuple(_row(alignment, len(sequence)) for alignment, _ in found)
            merged = merged + Alignment(tuple(as_text(name) for _, name in found), rows)
        return merged.deduplicated().first(self.settings.max_hits + 1)


def _row(alignment: HmmAlignment, length: int) -> str:
    """The a3m row of an alignment to the query's profile, which has a column a residue of the query."""
    model = np.frombuffer(alignment.hmm_sequence.encode("ascii"), np.uint8)
    target = alignment.target_sequence.upper().replace("T", "U")
    letters = np.frombuffer(target.encode("ascii"), np.uint8)
    inserted = model == ord(".")
    row = np.where(inserted, letters + 32, letters).astype(np.uint8).tobytes().decode("ascii")
    return "-" * (alignment.hmm_from - 1) + row + "-" * (length - alignment.hmm_to)
