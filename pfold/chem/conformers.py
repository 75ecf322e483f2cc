"""Reference conformers of components: RDKit ETKDGv3 with a fixed seed, the ideal coordinates where that fails."""

import functools
import logging
from importlib.resources import files
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.Geometry import Point3D
from rdkit.rdBase import BlockLogs

from pfold.chem.components import Component

logger = logging.getLogger(__name__)

# ETKDG draws one of many conformers. For residues and the more usual ligands these seeds draw one near the reference's
# (interatomic distances mostly within 0.2 Å rms), so that features can be compared; all others take the default.
DEFAULT_SEED = 1
# Seconds that a conformer may take, as in the reference.
TIMEOUT = 90
_BOND_TYPES = {
    "SING": Chem.BondType.SINGLE,
    "DOUB": Chem.BondType.DOUBLE,
    "TRIP": Chem.BondType.TRIPLE,
    "QUAD": Chem.BondType.QUADRUPLE,
    "AROM": Chem.BondType.AROMATIC,
}


@functools.cache
def conformer_seeds() -> dict[str, int]:
    """Component -> seed of its conformer."""
    lines = files("pfold.chem").joinpath("conformer_seeds.txt").read_text().splitlines()
    return {code: int(seed) for code, seed in (line.split() for line in lines if not line.startswith("#"))}


@functools.lru_cache(maxsize=4096)
def reference_conformer(comp: Component) -> tuple[np.ndarray, np.ndarray]:
    """Reference positions of a component's atoms, as the reference makes them.

    Returns positions [N, 3] float32 (Å) in the component's order and which of them are valid, [N] bool.
    """
    embedded = _embed(comp)
    if embedded is not None:
        return embedded, np.ones(len(embedded), bool)
    logger.warning("%s: no conformer by ETKDGv3; its ideal coordinates are used", comp.code)
    valid = np.isfinite(comp.ideal).all(axis=1)
    return np.nan_to_num(comp.ideal), valid


def etkdg(seed: int, *, random_start: bool = False) -> rdDistGeom.EmbedParameters:
    """Options of ETKDGv3 with a seed and a limit on the time it takes."""
    options: Any = rdDistGeom.ETKDGv3()
    options.randomSeed, options.useRandomCoords, options.timeout = seed, random_start, TIMEOUT
    return options


def to_molecule(comp: Component) -> Chem.Mol:
    """RDKit molecule of a component, stereochemistry from its ideal coordinates. Raises rdkit's sanitisation errors."""
    molecule = Chem.RWMol()
    for element, charge in zip(comp.element, comp.charge, strict=True):
        atom = Chem.Atom(str(element).capitalize())
        atom.SetFormalCharge(int(charge))
        molecule.AddAtom(atom)
    for first, second, order in comp.bonds:
        molecule.AddBond(first, second, _BOND_TYPES.get(order, Chem.BondType.SINGLE))
    conformer = Chem.Conformer(len(comp.atom_name))
    for i, (x, y, z) in enumerate(np.nan_to_num(comp.ideal).tolist()):
        conformer.SetAtomPosition(i, Point3D(x, y, z))
    molecule.AddConformer(conformer)
    Chem.SanitizeMol(molecule)
    Chem.AssignStereochemistryFrom3D(molecule)
    return molecule.GetMol()


def _embed(comp: Component) -> np.ndarray | None:
    """Positions by ETKDGv3, or None where RDKit can't read or embed the component."""
    options = etkdg(conformer_seeds().get(comp.code, DEFAULT_SEED))
    # RDKit's own lines about single ions and the like would stand between pfold's.
    with BlockLogs():
        try:
            molecule = to_molecule(comp)
        except (Chem.MolSanitizeException, RuntimeError) as error:
            logger.warning("%s: RDKit can't read the component (%s)", comp.code, error)
            return None
        conformer_id = rdDistGeom.EmbedMolecule(molecule, options)
    if conformer_id < 0:
        return None
    return molecule.GetConformer(conformer_id).GetPositions().astype(np.float32)
