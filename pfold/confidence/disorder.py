"""How much of a prediction looks disordered: proteins whose residues lie open to the solvent (AlphaFold 3's term).

Relative solvent accessibility (RSA) over a window is the best single sign of disorder in AlphaFold's structures
(Piovesan et al. 2022); AlphaFold 3 adds half the fraction to its ranking score (supplement, section 5.9.3). It takes
accessibilities from DSSP, whose radii are used here with biotite's surface.
"""

import numpy as np
from biotite.structure import AtomArray, sasa

from pfold.chem.types import Assembly, Chain
from pfold.targets.types import PROTEIN

# Mean RSA over this many residues, from which the middle one counts as disordered (AlphaFold 3's).
WINDOW, MIN_RSA = 25, 0.581
# Radii (Å) of DSSP: backbone atoms by name, all others, and water; points on each atom's sphere.
_BACKBONE_RADII = {"N": 1.65, "CA": 1.87, "C": 1.76, "O": 1.40}
_SIDE_CHAIN_RADIUS, _WATER_RADIUS = 1.80, 1.40
_N_POINT = 401
# Largest accessible surface (Å²) of residues (Sander & Rost 1994); what is not among them counts as alanine.
MAX_SURFACE = {
    "ALA": 106.0,
    "ARG": 248.0,
    "ASN": 157.0,
    "ASP": 163.0,
    "CYS": 135.0,
    "GLN": 198.0,
    "GLU": 194.0,
    "GLY": 84.0,
    "HIS": 184.0,
    "ILE": 169.0,
    "LEU": 164.0,
    "LYS": 205.0,
    "MET": 188.0,
    "PHE": 197.0,
    "PRO": 136.0,
    "SER": 130.0,
    "THR": 142.0,
    "TRP": 227.0,
    "TYR": 222.0,
    "VAL": 142.0,
}


def fraction_disordered(assembly: Assembly, coordinate: np.ndarray) -> float:
    """Fraction of the residues of proteins that are disordered; 0 without proteins.

    coordinate [N_atom, 3] (Å). Each chain is taken alone, and copies of a chain like the first, as AlphaFold 3 does.
    """
    disordered: list[np.ndarray] = []
    by_entity: dict[int, np.ndarray] = {}
    start = 0
    for chain in assembly.chains:
        stop = start + chain.n_atom
        if chain.kind == PROTEIN:
            if chain.entity not in by_entity:
                rsa = relative_accessibility(chain, coordinate[start:stop])
                by_entity[chain.entity] = window_mean(rsa) > MIN_RSA
            disordered.append(by_entity[chain.entity])
        start = stop
    return float(np.concatenate(disordered).mean()) if disordered else 0.0


def relative_accessibility(chain: Chain, coordinate: np.ndarray) -> np.ndarray:
    """Solvent-accessible surface of each residue of a protein chain by itself, over the residue's largest; at most 1.

    coordinate [N_atom of the chain, 3] (Å) -> [N_residue] float64.
    """
    names = np.concatenate([residue.atom_name for residue in chain.residues])
    atoms = AtomArray(len(names))
    atoms.coord = np.asarray(coordinate, np.float32)
    atoms.element = np.concatenate([residue.element for residue in chain.residues])
    radii = np.array([_BACKBONE_RADII.get(str(name), _SIDE_CHAIN_RADIUS) for name in names])
    surface = sasa(atoms, probe_radius=_WATER_RADIUS, point_number=_N_POINT, vdw_radii=radii)
    owner = np.repeat(np.arange(len(chain.residues)), [len(residue.atom_name) for residue in chain.residues])
    largest = [MAX_SURFACE.get(residue.code, MAX_SURFACE["ALA"]) for residue in chain.residues]
    return np.minimum(np.bincount(owner, weights=surface, minlength=len(largest)) / largest, 1.0)


def window_mean(rsa: np.ndarray) -> np.ndarray:
    """Mean of each residue's window, the ends mirrored.  rsa [N_residue] -> [N_residue]."""
    half = (WINDOW - 1) // 2
    return np.convolve(np.pad(rsa, half, "reflect"), np.ones(WINDOW) / WINDOW, "valid")
