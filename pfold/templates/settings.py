"""What the search for templates is asked to do."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from pfold.errors import ConfigError
from pfold.files import digest, large_file_digest
from pfold.msa.check_fasta import check_fasta
from pfold.targets.types import PROTEIN


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

    def files(self) -> list[Path]:
        """The files that the search reads, but the mirror's."""
        return [] if self.seqres is None else [self.seqres]

    def identity(self) -> str:
        """Hash of the template search but the mirror, whose entries never change."""
        return digest("templates", large_file_digest(self.seqres) if self.seqres else "", self.max_date.isoformat())
