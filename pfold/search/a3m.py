"""a3m alignments: upper case and '-' are columns of the query, lower case letters are insertions."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pfold.chem.residues import PROTEIN_MSA_TABLE
from pfold.errors import InputError

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

    def __add__(self, other: "Alignment") -> "Alignment":
        return Alignment(self.descriptions + other.descriptions, self.sequences + other.sequences)


def query_only(query: str) -> Alignment:
    """The alignment of a sequence without homologs."""
    return Alignment(("query",), (query,))


def parse_a3m(lines: Iterable[str], query: str, source: str) -> Alignment:
    """Read an a3m. Raises InputError, naming `source` and the row, where a row does not fit the query's columns."""
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
    sequences = ["".join(p) for p in parts]
    for i, sequence in enumerate(sequences):
        columns = len(sequence.translate(_LOWER).replace(".", ""))
        if columns != len(query):
            raise InputError(
                f'{source}, row {i + 1} ("{descriptions[i][:60]}"): {columns} aligned columns, '
                f"but the query has {len(query)} residues; check that the alignment is this sequence's"
            )
    if not sequences:
        return query_only(query)
    return Alignment(tuple(descriptions), tuple(sequences))


def read_a3m(path: Path, query: str) -> Alignment:
    """Read an a3m file. Raises InputError for a file that can't be read or does not fit the query."""
    try:
        with open(path, encoding="ascii") as handle:
            return parse_a3m(handle, query, str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: the alignment file does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the alignment can't be read ({error})") from None


def format_a3m(alignment: Alignment) -> str:
    """The alignment as a3m text."""
    rows = zip(alignment.descriptions, alignment.sequences, strict=True)
    return "".join(f">{description}\n{sequence}\n" for description, sequence in rows)


def to_arrays(alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Residue classes and insertions before each column.

    Returns msa [N_msa, N] int32 (classes of `pfold.chem.residues.RESTYPES`) and deletion_matrix [N_msa, N] int32.
    """
    msa, deletions = [], []
    for sequence in alignment.sequences:
        classes = PROTEIN_MSA_TABLE[np.frombuffer(sequence.encode("ascii"), np.uint8)]
        aligned = classes >= 0
        inserted = np.cumsum(~aligned)[aligned]
        msa.append(classes[aligned])
        deletions.append(np.diff(inserted, prepend=0))
    return np.array(msa, np.int32), np.array(deletions, np.int32)
