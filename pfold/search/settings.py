"""What a homology search is asked to do."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pfold.errors import ConfigError
from pfold.files import digest, files_digest, large_file_digest
from pfold.search.contents import check_fasta
from pfold.targets.types import PROTEIN, RNA

Engine = Literal["jackhmmer", "mmseqs2", "colabfold_server", "precomputed", "none"]


@dataclass(frozen=True)
class TemplateSettings:
    """The template search: sequences of the PDB, a mirror of its structures, and the last date of release."""

    seqres: Path | None = None
    mmcif: Path | None = None
    max_date: datetime.date = datetime.date(2021, 9, 30)

    def check(self) -> None:
        """Raises ConfigError for files that do not exist or are not what they should be."""
        if self.seqres is not None:
            check_fasta(self.seqres, "search.templates.seqres", PROTEIN)
        if self.seqres is not None and self.mmcif is None:
            raise ConfigError("search.templates.seqres is set, but search.templates.mmcif, the structures, is not")
        if self.mmcif is not None and not self.mmcif.is_dir():
            raise ConfigError(f"search.templates.mmcif: the folder {self.mmcif} does not exist")

    def identity(self) -> str:
        """Hash of the template search but the mirror, whose entries never change."""
        return digest("templates", large_file_digest(self.seqres) if self.seqres else "", self.max_date.isoformat())


@dataclass(frozen=True)
class SearchSettings:
    """Search settings; with the sequence they are an alignment's identity."""

    engine: Engine = "jackhmmer"
    databases: tuple[Path, ...] = ()
    rna_databases: tuple[Path, ...] = ()
    server: str = ""
    n_iterations: int = 3
    e_value: float = 1e-4
    max_hits: int = 10000
    templates: TemplateSettings = TemplateSettings()

    def check(self) -> None:
        """Raises ConfigError for an engine without databases, and for a database that does not exist or is none."""
        self.templates.check()
        for path in self.rna_databases:
            check_fasta(path, "search.rna_databases", RNA)
        if self.engine == "none":
            return
        if self.engine == "colabfold_server":
            if not self.server.startswith(("http://", "https://")):
                raise ConfigError(
                    'search.engine is "colabfold_server" but search.server is not the address of one, such as '
                    "https://api.colabfold.com; sequences are sent there"
                )
            return
        if not self.databases:
            raise ConfigError(
                f'search.engine is "{self.engine}" but search.databases is empty; '
                'name at least one FASTA file, or set search.engine to "none" to fold single sequences'
            )
        if self.engine == "mmseqs2":
            from pfold.search.mmseqs import check_databases, find_mmseqs

            find_mmseqs()
            check_databases(self.databases)
            return
        if self.engine == "precomputed":
            self._check_folders()
            return
        for path in self.databases:
            check_fasta(path, "search.databases", PROTEIN)

    def _check_folders(self) -> None:
        from pfold.search.precomputed import a3m_files

        for folder in self.databases:
            if not folder.is_dir() or not a3m_files(folder):
                raise ConfigError(f"search.databases: {folder} is no folder of .a3m (or .a3m.gz) files")

    def files(self) -> list[Path]:
        """The files that the searches read; of an MMseqs2 database, its index."""
        found = list(self.rna_databases)
        if self.templates.seqres is not None:
            found.append(self.templates.seqres)
        if self.engine == "mmseqs2":
            found += [path.with_name(f"{path.name}.index") for path in self.databases]
        elif self.engine in ("jackhmmer", "precomputed"):
            found += self.databases
        return found

    def identity(self) -> str:
        """Hash of everything that changes a protein's alignment, the databases' contents included."""
        if self.engine == "none":
            return digest("none")
        if self.engine == "colabfold_server":
            return digest(self.engine, self.server, self.max_hits)
        if self.engine == "mmseqs2":
            # Databases of a hundred gigabytes are told apart by their index, not read through.
            databases = [large_file_digest(path.with_name(f"{path.name}.index")) for path in self.databases]
            return digest(self.engine, databases, self.max_hits)
        if self.engine == "precomputed":
            from pfold.search.precomputed import a3m_files

            files = [path for folder in self.databases for path in a3m_files(folder)]
            return digest(self.engine, files_digest(files), self.max_hits)
        databases = [large_file_digest(path) for path in self.databases]
        return digest(self.engine, databases, self.n_iterations, self.e_value, self.max_hits)

    def rna_identity(self) -> str:
        """Hash of everything that changes an RNA's alignment."""
        return digest("nhmmer", [large_file_digest(path) for path in self.rna_databases], self.max_hits)
