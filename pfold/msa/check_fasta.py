"""A look into a FASTA database before anything is planned: whether it is one, and of the right molecules."""

from itertools import islice
from pathlib import Path

from pfold.errors import ConfigError
from pfold.targets.types import PROTEIN

# Lines of a database that are looked at.
_N_LINE = 4000
_NUCLEOTIDES = frozenset("ACGTUN")
# A protein database has fewer of these letters, a nucleotide database more.
_NUCLEOTIDE_SHARE = 0.9


def check_fasta(path: Path, key: str, kind: str) -> None:
    """Look at the beginning of a database of proteins or RNA (`kind`).

    Raises ConfigError, naming the configuration's key, for a file that does not exist, can't be read, is no FASTA, or
    holds other molecules.
    """
    where = f"{key}: {path}"
    if not path.is_file():
        raise ConfigError(f"{where} does not exist")
    try:
        with open(path, "rb") as handle:
            lines = [line.strip() for line in islice(iter(lambda: handle.readline(1 << 16), b""), _N_LINE)]
    except OSError as error:
        raise ConfigError(f"{where} can't be read ({error.strerror})") from None
    lines = [line for line in lines if line]
    if not lines:
        raise ConfigError(f"{where} is empty; name a FASTA file")
    if lines[0].startswith(b"\x1f\x8b"):
        raise ConfigError(f"{where} is compressed; unpack it (gunzip)")
    if not lines[0].startswith(b">"):
        raise ConfigError(f'{where} is no FASTA: it begins with "{_shown(lines[0])}", not with ">"')
    _check_letters([line for line in lines if not line.startswith(b">")], where, kind)


def _check_letters(lines: list[bytes], where: str, kind: str) -> None:
    for line in lines:
        if not line.translate(None, b"*-. \t").isalpha():
            raise ConfigError(f'{where} is no FASTA of sequences: "{_shown(line)}" is none')
    letters = b"".join(line.translate(None, b"*-. \t") for line in lines).decode("ascii", "replace").upper()
    if not letters:
        raise ConfigError(f"{where} has no sequence in it")
    share = sum(letter in _NUCLEOTIDES for letter in letters) / len(letters)
    if kind == PROTEIN and share > _NUCLEOTIDE_SHARE:
        raise ConfigError(f"{where} holds DNA or RNA, no proteins; name a FASTA file of proteins")
    if kind != PROTEIN and share < _NUCLEOTIDE_SHARE:
        raise ConfigError(f"{where} holds no RNA but other sequences; name a FASTA file of RNA")


def _shown(line: bytes) -> str:
    return line[:40].decode("ascii", "replace")
