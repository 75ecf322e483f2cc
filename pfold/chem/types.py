"""What a chain is made of."""

from dataclasses import dataclass, field

import numpy as np

from pfold.chem.residues import STANDARD_RESIDUES
from pfold.targets.types import LIGAND


@dataclass(frozen=True, eq=False)
class Residue:
    """Heavy atoms of one residue as it stands in a chain; a ligand that is no CCD component is one residue."""

    code: str
    mol_type: str  # "protein", "dna", "rna" or "ligand", by the component's type
    one_letter_code: str
    atom_name: np.ndarray  # [N] str
    element: np.ndarray  # [N] str, upper case
    charge: np.ndarray  # [N] int
    slot: np.ndarray  # [N] int, the atom's number among its component's heavy atoms; 0 outside standard residues
    ref_pos: np.ndarray  # [N, 3] float32 (Å)
    ref_mask: np.ndarray  # [N] bool, where the position is known
    bonds: np.ndarray  # [N_bond, 2] int, atoms joined within the residue
    # Names of atoms by the numbers that bonds and contacts of a SMILES or file ligand may use.
    numbered: dict[int, str] = field(default_factory=dict)

    @property
    def is_standard(self) -> bool:
        """Whether the residue is one token; otherwise each of its atoms is one."""
        return self.code in STANDARD_RESIDUES and self.mol_type != LIGAND

    def atom(self, name: str) -> int:
        """Number of an atom in the residue by its name, or by its number in a SMILES or file; -1 where it has none."""
        if name.isdigit():
            name = self.numbered.get(int(name), name)
        found = np.flatnonzero(self.atom_name == name)
        return int(found[0]) if len(found) else -1


@dataclass(frozen=True, eq=False)
class Chain:
    """One chain of a target."""

    id: str
    kind: str  # the entity's kind
    entity: int  # number of the entity in the input, from 0
    copy: int  # number of the copy, from 0
    residues: tuple[Residue, ...]

    @property
    def n_atom(self) -> int:
        """Number of heavy atoms."""
        return sum(len(residue.atom_name) for residue in self.residues)


@dataclass(frozen=True, eq=False)
class Assembly:
    """All chains of a target and the bonds between residues that the model is told of.

    bonds: pairs of (chain number, residue number, atom number), all from 0. Links of a polymer between standard
    residues are no bonds of the model and not among them.
    """

    chains: tuple[Chain, ...]
    bonds: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]

    @property
    def n_atom(self) -> int:
        """Number of heavy atoms of all chains."""
        return sum(chain.n_atom for chain in self.chains)
