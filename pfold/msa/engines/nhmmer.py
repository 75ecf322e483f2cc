"""Search of RNA databases with nhmmer."""

from pathlib import Path

from pfold.files import digest, large_file_digest
from pfold.msa.a3m import Alignment
from pfold.msa.check_fasta import check_fasta
from pfold.msa.engines.engine import OneByOne
from pfold.targets.types import RNA


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

    def search_database(self, sequence: str, path: Path, cpus: int) -> Alignment:
        """See `OneByOne.search_database`."""
        # Imported here: every job of the workflow imports the engines, and only searches need HMMER.
        from pfold.msa.hmmer import search_rna

        return search_rna(sequence, path, cpus)
