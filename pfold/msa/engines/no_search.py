"""No search: chains that bring no alignment are folded as single sequences."""

from collections.abc import Sequence
from pathlib import Path

from pfold.errors import SearchError
from pfold.files import digest
from pfold.msa.engines.engine import Engine, Found, Query


class NoSearch(Engine):
    """The engine "none"."""

    def check(self) -> None:
        """Nothing is needed."""

    def files(self) -> list[Path]:
        """None."""
        return []

    def identity(self) -> str:
        """See `Engine.identity`."""
        return digest("none")

    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """Raises SearchError: a plan without an engine has no searches."""
        raise SearchError(f'search.engine is "none", but {len(queries)} sequences are to be searched; plan again')
