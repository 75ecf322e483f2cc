"""What a homology search is asked to do."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SearchSettings:
    """Search settings; engine: a name of `pfold.msa.engines.ENGINES`."""

    engine: str = "jackhmmer"
    databases: tuple[Path, ...] = ()
    rna_databases: tuple[Path, ...] = ()
    server: str = ""
    n_iterations: int = 3
    e_value: float = 1e-4
    max_hits: int = 10000
