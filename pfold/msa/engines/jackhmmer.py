"""Iterated profile search of protein databases with HMMER."""

from pathlib import Path

from pfold.files import digest, large_file_digest
from pfold.msa.a3m import Alignment
from pfold.msa.check_fasta import check_fasta
from pfold.msa.engines.engine import OneByOne
from pfold.targets.types import PROTEIN


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

    def search_database(self, sequence: str, path: Path, cpus: int) -> Alignment:
        """See `OneByOne.search_database`."""
        # Imported here: every job of the workflow imports the engines, and only searches need HMMER.
        from pfold.msa.hmmer import search_proteins

        return search_proteins(sequence, path, self.settings, cpus)
