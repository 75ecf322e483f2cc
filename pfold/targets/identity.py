"""The identity of what is folded: a hash that random numbers, results and stores hang on.

Written out by hand, so that no change of a class changes it. A change here changes every structure that pfold predicts:
this is version 1, whose hash names none; another would hash its number too. tests/targets/test_identity.py pins some.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pfold.targets.types import AtomRef, Bond, Contact, Entity, Pocket, Target

LENGTH = 16


def target_identity(target: "Target") -> str:
    """16 hex digits over entities, bonds, constraints and components of a target, not its name (version 1)."""
    molecules = [_entity(entity) for entity in target.entities]
    bonds = _tuple(map(_bond, target.bonds))
    contacts, pockets = _tuple(map(_contact, target.contacts)), _tuple(map(_pocket, target.pockets))
    folded = [molecules, bonds, contacts, pockets, target.components]
    return hashlib.sha256(json.dumps(folded).encode()).hexdigest()[:LENGTH]


def _entity(e: "Entity") -> list[object]:
    modifications = [[m.position, m.code] for m in e.modifications]
    return [e.kind, e.sequence, list(e.ids), modifications, list(e.codes), e.smiles, e.molecule]


# Version 1 writes bonds and constraints as text.
def _tuple(items: Iterable[str]) -> str:
    parts = list(items)
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _atom(atom: "AtomRef") -> str:
    return f"AtomRef(chain={atom.chain!r}, position={atom.position}, atom={atom.atom!r})"


def _bond(bond: "Bond") -> str:
    return f"Bond(first={_atom(bond.first)}, second={_atom(bond.second)})"


def _contact(c: "Contact") -> str:
    ends = f"first={_atom(c.first)}, second={_atom(c.second)}"
    return f"Contact({ends}, max_distance={c.max_distance!r}, min_distance={c.min_distance!r})"


def _pocket(p: "Pocket") -> str:
    residues = _tuple(map(_atom, p.residues))
    return f"Pocket(binder={p.binder!r}, residues={residues}, max_distance={p.max_distance!r})"
