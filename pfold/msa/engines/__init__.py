"""Search engines, one class each (`pfold.msa.engines.engine`), by the name that the configuration gives them."""

from pathlib import Path

from pfold.msa.engines.colabfold_server import ColabFoldServer
from pfold.msa.engines.engine import Engine
from pfold.msa.engines.jackhmmer import Jackhmmer
from pfold.msa.engines.mmseqs import MMseqs
from pfold.msa.engines.nhmmer import Nhmmer
from pfold.msa.engines.no_search import NoSearch
from pfold.msa.engines.precomputed import Precomputed
from pfold.msa.settings import SearchSettings

# For proteins; RNA is searched by nhmmer.
ENGINES: dict[str, type[Engine]] = {
    "jackhmmer": Jackhmmer,
    "mmseqs2": MMseqs,
    "colabfold_server": ColabFoldServer,
    "precomputed": Precomputed,
    "none": NoSearch,
}


def protein_engine(settings: SearchSettings) -> Engine:
    """The engine that searches proteins."""
    return ENGINES[settings.engine](settings)


def rna_engine(settings: SearchSettings) -> Engine:
    """The engine that searches RNA."""
    return Nhmmer(settings)


def check_search(settings: SearchSettings) -> None:
    """Raises ConfigError, naming key and remedy, where a search can't run with these settings."""
    rna_engine(settings).check()
    protein_engine(settings).check()


def search_files(settings: SearchSettings) -> list[Path]:
    """The files that searches read."""
    return rna_engine(settings).files() + protein_engine(settings).files()
