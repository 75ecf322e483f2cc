"""Ligands of a prediction against those of a known structure, by peppr."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import biotite.structure as struc
import biotite.structure.io.pdbx as pdbx
import gemmi
import numpy as np
import peppr
from peppr.common import is_small_molecule

from pfold.errors import InputError
from pfold.targets.formats.structure_file import load_structure


@dataclass(frozen=True)
class LigandPose:
    """A ligand that both structures have: its component, its chain in the known structure and in the prediction.

    rmsd: BiSyRMSD (Å), the binding site superposed and symmetric atoms taken as fits best (Robin et al. 2023);
    lddt_pli: lDDT of the distances between ligand and polymer, 0 to 1.
    """

    component: str
    known: str
    chain: str
    n_atom: int
    rmsd: float
    lddt_pli: float


def ligand_poses(predicted: Path, known: Path) -> Iterator[LigandPose]:
    """Each ligand of the known structure that the prediction has too; single ions do not count.

    Components are matched by their names, copies of one by place. Raises InputError where the two can't be matched.
    """
    theirs, mine = _read(known), _read(predicted)
    if not (_has_ligand(theirs) and _has_ligand(mine)):
        return
    try:
        theirs, mine = peppr.find_optimal_match(theirs, mine, min_sequence_identity=0.9, allow_unmatched_entities=True)
    except (peppr.UnmappableEntityError, peppr.StructureMismatchError) as error:
        raise InputError(f"{predicted}: its ligands can't be matched with those of {known} ({error})") from None
    theirs, mine = theirs[theirs.matched], mine[mine.matched]
    for chain in dict.fromkeys(theirs.chain_id[theirs.hetero]):
        ligand = theirs.chain_id == chain
        if not is_small_molecule(theirs[ligand]):
            continue
        chosen = ligand | ~theirs.hetero
        yield LigandPose(
            component="-".join(dict.fromkeys(theirs.res_name[ligand].tolist())),
            known=str(chain),
            chain=str(mine.chain_id[ligand][0]),
            n_atom=int(ligand.sum()),
            rmsd=float(peppr.bisy_rmsd(theirs[chosen], mine[chosen])),
            lddt_pli=float(peppr.LDDTPLIScore().evaluate(theirs[chosen], mine[chosen])),
        )


def _read(path: Path) -> struc.AtomArray:
    """The heavy atoms of a structure's first model without water and single ions, with bonds; chains are subchains."""
    structure = load_structure(path)
    structure.remove_alternative_conformations()
    structure.remove_hydrogens()
    structure.remove_waters()
    del structure[1:]
    structure.setup_entities()
    groups = gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=True)
    text = structure.make_mmcif_document(groups).as_string()
    file = pdbx.CIFFile.read(io.StringIO(text))
    return peppr.standardize(pdbx.get_structure(file, model=1, include_bonds=True, use_author_fields=False))


def _has_ligand(atoms: struc.AtomArray) -> bool:
    return bool(np.any(atoms.hetero))
