"""What a homology search is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pfold.errors import ConfigError
from pfold.files import digest, file_digest

Engine = Literal["jackhmmer", "none"]


@dataclass(frozen=True)
class SearchSettings:
    """Search settings; with the sequence they are an alignment's identity."""

    engine: Engine = "jackhmmer"
    databases: tuple[Path, ...] = ()
    n_iterations: int = 3
    e_value: float = 1e-4
    max_hits: int = 10000

    def check(self) -> None:
        """Raises ConfigError for an engine without databases or a database that does not exist."""
        if self.engine == "none":
            return
        if not self.databases:
            raise ConfigError(
                f'search.engine is "{self.engine}" but search.databases is empty; '
                'name at least one FASTA file, or set search.engine to "none" to fold single sequences'
            )
        for path in self.databases:
            if not path.is_file():
                raise ConfigError(f"search.databases: {path} does not exist")

    def identity(self) -> str:
        """Hash of everything that changes an alignment, the databases' contents included."""
        if self.engine == "none":
            return digest("none")
        databases = [file_digest(path) for path in self.databases]
        return digest(self.engine, databases, self.n_iterations, self.e_value, self.max_hits)
