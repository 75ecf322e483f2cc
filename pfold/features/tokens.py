"""Tokens of a target (AF3 supplement, section 2.6): a standard residue is one, of all else each heavy atom is one."""

import functools
from dataclasses import dataclass

import numpy as np

from pfold.chem.assembly import build_assembly, find_residue
from pfold.chem.residues import POLYMER_CODES, STANDARD_RESIDUES
from pfold.chem.types import Assembly, Residue
from pfold.targets.types import LIGAND, Entity, Target


@dataclass(frozen=True, eq=False)
class Tokens:
    """How the atoms of an assembly are tokens; residues are numbered through all chains.

    residues: all residues in order. chain_of_residue and position (number in the chain, from 1): [N_residue].
    residue_of_atom and token_of_atom: [N_atom]. first_atom: [N_residue]. expanded: [N_residue] bool, standard residues
    whose atoms are tokens because a constraint names one of them.
    """

    assembly: Assembly
    residues: tuple[Residue, ...]
    chain_of_residue: np.ndarray
    position: np.ndarray
    residue_of_atom: np.ndarray
    token_of_atom: np.ndarray
    first_atom: np.ndarray
    expanded: np.ndarray

    @property
    def n_token(self) -> int:
        """Number of tokens."""
        return int(self.token_of_atom[-1]) + 1

    @functools.cached_property
    def whole(self) -> np.ndarray:
        """Which residues are one token, [N_residue] bool."""
        return np.array([r.is_standard for r in self.residues]) & ~self.expanded

    @functools.cached_property
    def residue_of_token(self) -> np.ndarray:
        """Residue of each token, [N_token]."""
        return self.residue_of_atom[np.searchsorted(self.token_of_atom, np.arange(self.n_token))]

    @functools.cached_property
    def bonds(self) -> np.ndarray:
        """All bonds within residues that are not one token, and all bonds between residues: atom pairs [N_bond, 2]."""
        within = [
            residue.bonds + self.first_atom[i]
            for i, residue in enumerate(self.residues)
            if not residue.is_standard and len(residue.bonds)
        ]
        between = [[self.atom_index(*a), self.atom_index(*b)] for a, b in self.assembly.bonds]
        return np.concatenate([*within, np.array(between, int).reshape(-1, 2)]).astype(int)

    @functools.cached_property
    def _first_residue(self) -> np.ndarray:
        lengths = [len(chain.residues) for chain in self.assembly.chains]
        return np.cumsum([0, *lengths])

    def residue_index(self, chain: int, residue: int) -> int:
        """Number, through all chains, of a residue of a chain."""
        return int(self._first_residue[chain]) + residue

    def atom_index(self, chain: int, residue: int, atom: int) -> int:
        """Number, through all chains, of an atom of a residue of a chain."""
        return int(self.first_atom[self.residue_index(chain, residue)]) + atom


def n_column(entity: Entity) -> int:
    """Columns of a chain in alignments and templates: one a residue of a polymer, one of a ligand, none of an ion."""
    return len(entity.sequence) if entity.is_polymer else int(entity.kind == LIGAND)


def tokenize(target: Target) -> Tokens:
    """Tokens of a target. Raises InputError for chemistry that can't be built or constraints on what does not exist."""
    assembly = build_assembly(target)
    residues = tuple(residue for chain in assembly.chains for residue in chain.residues)
    lengths = [len(chain.residues) for chain in assembly.chains]
    n_atom = np.array([len(residue.atom_name) for residue in residues])
    residue_of_atom = np.repeat(np.arange(len(residues)), n_atom)
    expanded = _expanded(target, assembly, len(residues), np.cumsum([0, *lengths]))
    whole = np.array([residue.is_standard for residue in residues]) & ~expanded
    first_atom = np.cumsum([0, *n_atom])[:-1]
    starts = ~whole[residue_of_atom]
    starts[first_atom] = True
    return Tokens(
        assembly=assembly,
        residues=residues,
        chain_of_residue=np.repeat(np.arange(len(lengths)), lengths),
        position=np.concatenate([np.arange(1, n + 1) for n in lengths]),
        residue_of_atom=residue_of_atom,
        token_of_atom=np.cumsum(starts) - 1,
        first_atom=first_atom,
        expanded=expanded,
    )


def _expanded(target: Target, assembly: Assembly, n_residue: int, first_residue: np.ndarray) -> np.ndarray:
    """Residues of contacts between atoms; they are tokens of one atom each (reference: expand_tokens)."""
    expanded = np.zeros(n_residue, bool)
    number_of = {chain.id: i for i, chain in enumerate(assembly.chains)}
    for contact in target.contacts:
        if contact.first.atom and contact.second.atom:
            for ref in (contact.first, contact.second):
                chain, residue = find_residue(assembly.chains, number_of, ref)
                expanded[first_residue[chain] + residue] = True
    return expanded


def count_tokens(target: Target) -> int:
    """Number of tokens of a target. Raises InputError as `tokenize`; plain polymers are counted without chemistry."""
    if not target.bonds and not target.contacts and all(_is_plain(e) for e in target.entities):
        return sum(len(entity.sequence) * entity.count for entity in target.entities)
    return tokenize(target).n_token


def _is_plain(entity: Entity) -> bool:
    if not entity.is_polymer or entity.modifications:
        return False
    return STANDARD_RESIDUES.issuperset(POLYMER_CODES[entity.kind][letter] for letter in set(entity.sequence))
