"""FASTA databases in memory, for HMMER."""

import functools
from pathlib import Path

from pyhmmer.easel import Alphabet, DigitalSequenceBlock, SequenceFile

from pfold.errors import SearchError
from pfold.files import file_state
from pfold.targets.types import PROTEIN, RNA

ALPHABETS: dict[str, Alphabet] = {PROTEIN: Alphabet.amino(), RNA: Alphabet.rna()}
_NAMES = {PROTEIN: "protein", RNA: "RNA"}


def load_database(path: Path, kind: str = PROTEIN) -> DigitalSequenceBlock:
    """A FASTA database of proteins or RNA (`kind`), kept while its file stays as it is.

    Raises SearchError for a file that is none.
    """
    try:
        state = file_state(path)
    except OSError as error:
        raise SearchError(f"search database {path}: can't be read as {_NAMES[kind]} FASTA ({error})") from None
    return _load(path.absolute(), state, kind)


@functools.lru_cache(maxsize=4)
def _load(path: Path, _state: str, kind: str) -> DigitalSequenceBlock:
    try:
        with SequenceFile(str(path), digital=True, alphabet=ALPHABETS[kind]) as file:
            block = file.read_block()
    except (OSError, ValueError, EOFError) as error:
        raise SearchError(f"search database {path}: can't be read as {_NAMES[kind]} FASTA ({error})") from None
    if len(block) == 0:
        raise SearchError(f"search database {path}: no sequence in it")
    return block


def as_text(value: str | bytes | None) -> str:
    """A name or description as pyhmmer gives it, in older versions as bytes."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode()
