"""Multi-FASTA reader: one record is one target, "A:B" in a sequence is a complex of two chains."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pfold.targets.types import PROTEIN_LETTERS, Entity, Rejection, Target, chain_ids


@dataclass
class _Record:
    """One FASTA record under way."""

    number: int
    line: int
    name: str
    sequence: list[str]


def read_fasta(lines: Iterable[str], path: Path) -> Iterator[Target | Rejection]:
    """Read a FASTA. Yields a Target for each good record and a Rejection, with file, record and line, for each bad one.

    Lower case, Windows line ends, blank lines and a stop "*" at a chain's end are accepted.
    """
    for record in _records(lines):
        yield _target(record, path)


def _records(lines: Iterable[str]) -> Iterator[_Record]:
    record: _Record | None = None
    number = 0
    for line_number, line in enumerate(lines, start=1):
        line = line.strip()
        if line.startswith(">"):
            if record is not None:
                yield record
            number += 1
            words = line[1:].split()
            record = _Record(number, line_number, words[0] if words else "", [])
        elif line and not line.startswith(";"):
            if record is None:
                record = _Record(0, line_number, "", [])
            record.sequence.append("".join(line.split()).upper())
    if record is not None:
        yield record


def _target(record: _Record, path: Path) -> Target | Rejection:
    source = f'{path}, record {record.number} ("{record.name}"), line {record.line}'

    def reject(reason: str) -> Rejection:
        return Rejection(record.name or f"{path.name}:{record.line}", reason, source)

    if record.number == 0:
        return reject('the file does not start with a ">" line, so it is not FASTA; put ">name" before the sequence')
    if not record.name:
        return reject('the record has no name; write one after ">"')
    chains = [chain.removesuffix("*") for chain in "".join(record.sequence).split(":")]
    for i, chain in enumerate(chains):
        where = f"chain {i + 1} of {len(chains)}" if len(chains) > 1 else "the record"
        if not chain:
            return reject(f"{where} is empty; give it a sequence or remove it")
        problem = bad_letter(chain)
        if problem:
            return reject(f"{where}, {problem}" if len(chains) > 1 else problem)
    return Target(record.name, merge_chains(chains), source)


def bad_letter(sequence: str) -> str:
    """What is wrong with the first letter that is not an amino acid; "" where all are."""
    for position, letter in enumerate(sequence, start=1):
        if letter not in PROTEIN_LETTERS:
            return (
                f'position {position}: "{letter}" is not an amino acid (allowed: the 20 standard letters and X); '
                "replace unusual residues by X"
            )
    return ""


def merge_chains(chains: list[str]) -> tuple[Entity, ...]:
    """Protein entities of a list of chains: equal sequences are copies of one entity, chain ids follow the input."""
    ids: dict[str, list[str]] = {}
    for chain_id, sequence in zip(chain_ids(len(chains)), chains, strict=True):
        ids.setdefault(sequence, []).append(chain_id)
    return tuple(Entity("protein", sequence, tuple(copies)) for sequence, copies in ids.items())
