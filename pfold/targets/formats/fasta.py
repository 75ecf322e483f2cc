"""FASTA readers.

Multi-FASTA: one record is one target, "A:B" in a sequence is a complex of two chains. Boltz and Chai FASTA, known by
headers such as ">A|protein|a.a3m" and ">protein|name=a": one record is one molecule and the file is one target.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pfold.errors import InputError
from pfold.targets.formats.fields import Draft, ccd_codes, draft, existing_file, file_target_name, with_chain_ids
from pfold.targets.rejected import rejected
from pfold.targets.types import (
    DNA,
    LIGAND,
    PROTEIN,
    Entity,
    Modification,
    Rejection,
    Target,
    bad_letter,
    chain_ids,
)

logger = logging.getLogger(__name__)

# ">CHAIN|TYPE" or ">CHAIN|TYPE|MSA" of Boltz; ">TYPE|NAME" of Chai.
_BOLTZ = re.compile(r"([^|\s]+)\|(protein|dna|rna|smiles|ccd)(?:\|(\S*))?\s*", re.IGNORECASE)
_CHAI = re.compile(r"(protein|dna|rna|ligand|glycan)\|(.*)", re.IGNORECASE)
_NUCLEOTIDES = frozenset("ACGTUN")
_CHAI_MODIFIED = re.compile(r"\(([A-Za-z0-9]{1,5})\)|\[([A-Za-z0-9]{1,5})\]|(.)")


@dataclass
class _Record:
    """One FASTA record under way."""

    number: int
    line: int
    header: str
    sequence: list[str]

    @property
    def name(self) -> str:
        """First word of the header; "" for an empty one."""
        return self.header.split()[0] if self.header.split() else ""


def read_fasta(lines: Iterable[str], path: Path) -> Iterator[Target | Rejection]:
    """Read a FASTA. Yields a Target for each good record and a Rejection, with file, record and line, for each bad one.

    Lower case, Windows line ends, blank lines and a stop "*" at a chain's end are accepted.
    """
    records = _records(lines)
    first = next(records, None)
    if first is None:
        return
    if _BOLTZ.fullmatch(first.header) or _CHAI.fullmatch(first.header):
        yield _complex([first, *records], path)
        return
    for record in chain([first], records):
        try:
            yield _target(record, path)
        except Exception as error:
            yield rejected(error, record.name or path.name, f"{path}, line {record.line}")


def _complex(records: list[_Record], path: Path) -> Target | Rejection:
    """The one target of a Boltz or Chai FASTA, named after the file."""
    name = file_target_name(path)
    try:
        drafts = [_molecule(record, path.parent) for record in records]
        return Target(name, with_chain_ids(drafts), f'{path}, record 1 ("{name}")')
    except Exception as error:
        return rejected(error, name, f"{path}, line {records[0].line}")


def _molecule(record: _Record, folder: Path) -> Draft:
    where = f'record {record.number} ("{record.header}"), line {record.line}'
    content = "".join(record.sequence)
    if not content:
        raise InputError(f"{where}: the sequence is empty")
    boltz, chai = _BOLTZ.fullmatch(record.header), _CHAI.fullmatch(record.header)
    if boltz:
        return _boltz_molecule(boltz, content, where, folder)
    if chai is None:
        raise InputError(f'{where}: not a header such as ">A|protein" or ">protein|name", as the file begins with')
    kind = chai.group(1).lower()
    if kind == "glycan":
        raise InputError(f'{where}: "glycan" is not supported; write it as a ligand with covalent_bonds in a JSON')
    if kind == LIGAND:
        return Draft(Entity(LIGAND, "", (), smiles=content), where)
    return Draft(_polymer(kind, content, where), where)


def _boltz_molecule(header: re.Match[str], content: str, where: str, folder: Path) -> Draft:
    chain_id, kind, msa = header.group(1), header.group(2).lower(), header.group(3)
    if kind == "smiles":
        entity = Entity(LIGAND, "", (), smiles=content)
    elif kind == "ccd":
        entity = Entity(LIGAND, "", (), codes=ccd_codes([content.upper()], where))
    else:
        entity = _polymer(kind, content, where)
        if msa == "empty":
            entity = replace(entity, unpaired_msa="")
        elif msa:
            if kind == DNA or msa.endswith(".csv"):
                raise InputError(f'{where}: the alignment "{msa}" is not supported; give an .a3m of a protein or RNA')
            entity = replace(entity, unpaired_msa=existing_file(folder, msa, "msa", where))
    return draft(entity, {"id": chain_id}, where)


def _polymer(kind: str, content: str, where: str) -> Entity:
    """A polymer whose modified residues stand as CCD codes in parentheses: "MK(SEP)T"."""
    sequence: list[str] = []
    found: list[Modification] = []
    for match in _CHAI_MODIFIED.finditer(content):
        code = match.group(1) or match.group(2)
        if code:
            found.append(Modification(len(sequence) + 1, code.upper()))
        sequence.append(("X" if kind == PROTEIN else "N") if code else match.group(3).upper())
    letters = "".join(sequence)
    problem = bad_letter(letters, kind)
    if problem:
        raise InputError(f"{where}, {problem}")
    return Entity(kind, letters, (), modifications=tuple(found))


def _records(lines: Iterable[str]) -> Iterator[_Record]:
    record: _Record | None = None
    number = 0
    for line_number, line in enumerate(lines, start=1):
        line = line.strip()
        if line.startswith(">"):
            if record is not None:
                yield record
            number += 1
            record = _Record(number, line_number, line[1:].strip(), [])
        elif line and not line.startswith(";"):
            if record is None:
                record = _Record(0, line_number, "", [])
            record.sequence.append("".join(line.split()))
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
    chains = [part.removesuffix("*") for part in "".join(record.sequence).upper().split(":")]
    for i, letters in enumerate(chains):
        where = f"chain {i + 1} of {len(chains)}" if len(chains) > 1 else "the record"
        if not letters:
            return reject(f"{where} is empty; give it a sequence or remove it")
        problem = bad_letter(letters)
        if problem:
            return reject(f"{where}, {problem}" if len(chains) > 1 else problem)
    if _NUCLEOTIDES.issuperset("".join(chains)):
        logger.warning(
            "%s: nothing but the letters A, C, G, T, U, N: it is folded as a protein. Write DNA or RNA as dnaSequence "
            'or rnaSequence in a JSON, or in a FASTA with headers such as ">A|dna"',
            source,
        )
    return Target(record.name, merge_chains(chains), source)


def merge_chains(chains: list[str]) -> tuple[Entity, ...]:
    """Protein entities of a list of chains: equal sequences are copies of one entity, chain ids follow the input."""
    ids: dict[str, list[str]] = {}
    for chain_id, sequence in zip(chain_ids(len(chains)), chains, strict=True):
        ids.setdefault(sequence, []).append(chain_id)
    return tuple(Entity(PROTEIN, sequence, tuple(copies)) for sequence, copies in ids.items())
