"""a3m alignments: upper case and '-' are columns of the query, lower case letters are insertions."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pfold.chem.residues import MSA_TABLES
from pfold.errors import InputError
from pfold.files import read_unpacked
from pfold.targets.types import PROTEIN, printable

logger = logging.getLogger(__name__)

_LETTERS = re.compile(r"[A-Za-z.-]*")
_LOWER = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Alignment:
    """Rows of an a3m, the query first."""

    descriptions: tuple[str, ...]
    sequences: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sequences)

    def deduplicated(self) -> "Alignment":
        """Rows that differ in their aligned columns, each where it comes first."""
        first: dict[str, int] = {}
        for i, sequence in enumerate(self.sequences):
            first.setdefault(sequence.translate(_LOWER), i)
        rows = list(first.values())
        return Alignment(tuple(self.descriptions[i] for i in rows), tuple(self.sequences[i] for i in rows))

    def first(self, n_row: int) -> "Alignment":
        """The first rows."""
        return Alignment(self.descriptions[:n_row], self.sequences[:n_row])

    def __add__(self, other: "Alignment") -> "Alignment":
        return Alignment(self.descriptions + other.descriptions, self.sequences + other.sequences)


def query_only(query: str) -> Alignment:
    """The alignment of a sequence without homologs."""
    return Alignment(("query",), (query,))


def read_fasta_rows(lines: Iterable[str], source: str) -> tuple[list[str], list[str]]:
    """Descriptions and rows of FASTA-like text. Raises InputError where it does not start with a ">" line."""
    descriptions: list[str] = []
    parts: list[list[str]] = []
    for line in lines:
        line = line.strip()
        if line.startswith(">"):
            descriptions.append(line[1:])
            parts.append([])
        elif line and not line.startswith("#"):
            if not parts:
                raise InputError(f"{source}: not an a3m file: it does not start with a '>' line")
            parts[-1].append(line)
    return descriptions, ["".join(p) for p in parts]


def aligned_rows(alignment: Alignment) -> list[str]:
    """The rows without insertions: every one has the query's length."""
    return [row.translate(_LOWER).replace(".", "") for row in alignment.sequences]


def _named_row(source: str, row: int, descriptions: Sequence[str]) -> str:
    """A row as messages call it."""
    return f'{source}, row {row + 1} ("{printable(descriptions[row][:60])}")'


def parse_a3m(lines: Iterable[str], query: str, source: str) -> Alignment:
    """Read an a3m, whose first row should be the query.

    Raises InputError, naming `source` and the row, where a row does not fit the query's columns or has a letter that no
    a3m has.
    """
    descriptions, sequences = read_fasta_rows(lines, source)
    for i, sequence in enumerate(sequences):
        if not _LETTERS.fullmatch(sequence):
            letter = next(c for c in sequence if not _LETTERS.fullmatch(c))
            raise InputError(
                f"{_named_row(source, i, descriptions)}: {letter!a} is no letter of an a3m (letters, - and . are)"
            )
        columns = len(sequence.translate(_LOWER).replace(".", ""))
        if columns != len(query):
            raise InputError(
                f"{_named_row(source, i, descriptions)}: {columns} aligned columns, "
                f"but the query has {len(query)} residues; check that the alignment is this sequence's"
            )
    if not sequences:
        logger.warning("%s: there is no row in the alignment; the chain is folded as a single sequence", source)
        return query_only(query)
    return Alignment(tuple(descriptions), tuple(sequences))


def warn_of_other_query(alignment: Alignment, query: str, source: str) -> None:
    """Say so where the first row of a user's alignment is not the chain's sequence."""
    first = alignment.sequences[0].translate(_LOWER).replace(".", "")
    if first.upper() != query:
        logger.warning(
            "%s: the first row is not the chain's sequence, so the alignment may be another's: %.40s... for %.40s...",
            source,
            first,
            query,
        )


def read_a3m(path: Path, query: str) -> Alignment:
    """Read an a3m file, plain or gzipped. Raises InputError for a file that can't be read or does not fit the query."""
    try:
        text = read_unpacked(path).decode("ascii")
        return parse_a3m(text.splitlines(), query, str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: the alignment file does not exist") from None
    except UnicodeDecodeError as error:
        letter = ascii(error.object[error.start : error.start + 1])
        raise InputError(f"{path}: {letter} at byte {error.start} is no letter of an a3m") from None
    except OSError as error:
        raise InputError(f"{path}: the alignment can't be read ({error})") from None


def format_a3m(alignment: Alignment) -> str:
    """The alignment as a3m text."""
    rows = zip(alignment.descriptions, alignment.sequences, strict=True)
    return "".join(f">{description}\n{sequence}\n" for description, sequence in rows)


def to_arrays(alignment: Alignment, kind: str = PROTEIN) -> tuple[np.ndarray, np.ndarray]:
    """Residue classes and insertions before each column of an alignment of proteins, DNA or RNA (`kind`).

    Returns msa [N_msa, N] int32 (classes of `pfold.chem.residues.RESTYPES`) and deletion_matrix [N_msa, N] int32.
    """
    rows = [sequence.replace(".", "") for sequence in alignment.sequences]
    # All rows at once: each has as many aligned columns as the first.
    classes = MSA_TABLES[kind][np.frombuffer("".join(rows).encode("ascii"), np.uint8)]
    aligned = classes >= 0
    msa = classes[aligned].reshape(len(rows), -1)
    n_inserted = np.cumsum(~aligned, dtype=np.int32)
    ends = np.cumsum([len(row) for row in rows])
    before_row = np.concatenate([[0], n_inserted[ends[:-1] - 1]])
    inserted = n_inserted[aligned].reshape(len(rows), -1)
    deletions = np.diff(inserted, axis=1, prepend=before_row[:, None])
    return msa.astype(np.int32), deletions.astype(np.int32)
