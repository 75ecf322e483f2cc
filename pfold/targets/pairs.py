"""Screens: every bait with every prey as a complex of its own."""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pfold.errors import ConfigError, InputError
from pfold.targets.pair_settings import PairSettings
from pfold.targets.read import read_records, target_files
from pfold.targets.types import AtomRef, Bond, Contact, Pocket, Rejection, Target, chain_ids

BAIT, PREY = "bait", "prey"
# Between the names of bait and prey in the name of their complex.
JOINT = "__"


def pair_files(pairs: PairSettings) -> list[Path]:
    """All files that pairs come from. Raises ConfigError for one that does not exist."""
    files = target_files([*pairs.baits, *pairs.preys])
    if pairs.table is not None:
        if not pairs.table.is_file():
            raise ConfigError(f"pairs.table: {pairs.table} does not exist")
        files.append(pairs.table)
    return files


def read_pairs(pairs: PairSettings) -> Iterator[Target | Rejection]:
    """The complexes of a screen, and the baits and preys that can't be folded, each once.

    Raises InputError, naming file and line, for a table that names what is not there.
    """
    baits: dict[str, Target] = {}
    preys: dict[str, Target] = baits if not pairs.preys else {}
    for files, known in ((pairs.baits, baits), (pairs.preys, preys)):
        for file in target_files(list(files)):
            for record in read_records(file):
                if isinstance(record, Rejection):
                    yield record
                elif record.name in known:
                    reason = f"the name is used before, by {known[record.name].source}; give each record its own"
                    yield Rejection(record.name, reason, record.source)
                else:
                    known[record.name] = record
    for bait, prey in _chosen(pairs, baits, preys):
        yield join_targets(baits[bait], preys[prey])


def _chosen(pairs: PairSettings, baits: dict[str, Target], preys: dict[str, Target]) -> Iterator[tuple[str, str]]:
    if pairs.table is not None:
        yield from _read_table(pairs.table, baits, preys)
    elif pairs.preys:
        yield from itertools.product(baits, preys)
    else:
        yield from itertools.combinations_with_replacement(baits, 2)


def _read_table(path: Path, baits: dict[str, Target], preys: dict[str, Target]) -> Iterator[tuple[str, str]]:
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: the table can't be read ({error})") from None
    if not {BAIT, PREY} <= set(reader.fieldnames or ()):
        raise InputError(f'{path}, line 1: expected the columns "{BAIT}" and "{PREY}"')
    for line, row in rows:
        for column, known in ((BAIT, baits), (PREY, preys)):
            if row[column] not in known:
                raise InputError(f'{path}, line {line}: no {column} is named "{row[column]}"')
        yield row[BAIT], row[PREY]


def join_targets(bait: Target, prey: Target) -> Target:
    """One complex of two targets: the bait's chains keep their ids, the prey's get the next free ones.

    Equal molecules are copies of one entity.
    """
    ids = dict(zip(prey.chain_ids, chain_ids(len(prey.chain_ids), set(bait.chain_ids)), strict=True))
    entities = list(bait.entities)
    for entity in prey.entities:
        moved = tuple(ids[chain] for chain in entity.ids)
        same = next((i for i, e in enumerate(entities) if replace(e, ids=()) == replace(entity, ids=())), None)
        if same is None:
            entities.append(replace(entity, ids=moved))
        else:
            entities[same] = replace(entities[same], ids=entities[same].ids + moved)
    return Target(
        f"{bait.name}{JOINT}{prey.name}",
        tuple(entities),
        f"{bait.source}; {prey.source}",
        bait.seeds or prey.seeds,
        bonds=bait.bonds + tuple(Bond(_moved(b.first, ids), _moved(b.second, ids)) for b in prey.bonds),
        contacts=bait.contacts + tuple(_moved_contact(c, ids) for c in prey.contacts),
        pockets=bait.pockets + tuple(_moved_pocket(p, ids) for p in prey.pockets),
        components="\n".join(part for part in (bait.components, prey.components) if part),
        bait=bait.name,
        prey=prey.name,
    )


def _moved(ref: AtomRef, ids: dict[str, str]) -> AtomRef:
    return replace(ref, chain=ids[ref.chain])


def _moved_contact(contact: Contact, ids: dict[str, str]) -> Contact:
    return replace(contact, first=_moved(contact.first, ids), second=_moved(contact.second, ids))


def _moved_pocket(pocket: Pocket, ids: dict[str, str]) -> Pocket:
    residues = tuple(_moved(residue, ids) for residue in pocket.residues)
    return replace(pocket, binder=ids[pocket.binder], residues=residues)
