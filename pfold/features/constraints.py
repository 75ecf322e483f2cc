"""Distance constraints between tokens (reference: constraint_featurizer.py, generate_from_json)."""

import numpy as np

from pfold.chem.assembly import find_atom, find_residue
from pfold.errors import InputError
from pfold.features.tokens import Tokens
from pfold.targets.types import AtomRef, Target

Arrays = dict[str, np.ndarray]


def constraint_features(target: Target, tokens: Tokens) -> Arrays:
    """Contacts, contacts of single atoms, and pockets of a target.

    Returns constraint_contact and constraint_contact_atom [N, N, 2] (smallest and largest distance, Å) and
    constraint_pocket [N, N, 1] (Å, rows are the binder's tokens); zero where there is no constraint. Of a residue of
    several tokens the first stands for it, where the reference draws one. Raises InputError for an atom or residue
    that does not exist, and for constraints that nothing can meet.
    """
    _check(target)
    n = tokens.n_token
    if not target.contacts and not target.pockets:
        return {
            "constraint_contact": np.broadcast_to(np.float32(0), (n, n, 2)),
            "constraint_contact_atom": np.broadcast_to(np.float32(0), (n, n, 2)),
            "constraint_pocket": np.broadcast_to(np.float32(0), (n, n, 1)),
        }
    contact, contact_atom = np.zeros((n, n, 2), np.float32), np.zeros((n, n, 2), np.float32)
    pocket = np.zeros((n, n, 1), np.float32)
    for c in target.contacts:
        i, j = _token(tokens, c.first), _token(tokens, c.second)
        between_atoms = bool(c.first.atom and c.second.atom)
        matrix = contact_atom if between_atoms else contact
        matrix[i, j] = matrix[j, i] = (c.min_distance if between_atoms else 0.0, c.max_distance)
    asym_id = tokens.chain_of_residue[tokens.residue_of_token]
    for p in target.pockets:
        binder = asym_id == _chain(tokens, p.binder)
        for ref in p.residues:
            pocket[binder, _token(tokens, ref), 0] = p.max_distance
    return {"constraint_contact": contact, "constraint_contact_atom": contact_atom, "constraint_pocket": pocket}


def _check(target: Target) -> None:
    """Raises InputError for constraints that no chain of the target can meet, naming them."""
    for contact in target.contacts:
        if contact.first.chain == contact.second.chain:
            raise InputError(f"a contact joins chain {contact.first.chain} to itself; it must join two chains")
        if contact.max_distance < contact.min_distance:
            raise InputError(
                f"a contact's max_distance {contact.max_distance} is below its min_distance {contact.min_distance}"
            )
    for pocket in target.pockets:
        for ref in pocket.residues:
            if ref.chain == pocket.binder:
                raise InputError(f"a pocket residue is in the binder's own chain {ref.chain}")


def _number_of(tokens: Tokens) -> dict[str, int]:
    return {chain.id: i for i, chain in enumerate(tokens.assembly.chains)}


def _chain(tokens: Tokens, chain_id: str) -> int:
    return find_residue(tokens.assembly.chains, _number_of(tokens), AtomRef(chain_id, 1))[0]


def _token(tokens: Tokens, ref: AtomRef) -> int:
    chains, number_of = tokens.assembly.chains, _number_of(tokens)
    if ref.atom:
        atom = tokens.atom_index(*find_atom(chains, number_of, ref))
    else:
        atom = int(tokens.first_atom[tokens.residue_index(*find_residue(chains, number_of, ref))])
    return int(tokens.token_of_atom[atom])
