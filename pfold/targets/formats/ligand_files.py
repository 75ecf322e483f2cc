"""Ligand files with coordinates (.sdf, .mol, .mol2, .pdb) as MDL mol blocks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pfold.errors import InputError

# Most bytes of a ligand file: RDKit reads all of it.
MAX_BYTES = 10_000_000
SUFFIXES = (".mol", ".sdf", ".mol2", ".pdb")


def read_ligand(path: Path) -> str:
    """The (first) molecule of a ligand file as mol block, without hydrogens.

    Raises InputError for another file type, a file that RDKit can't read, or one without 3D coordinates.
    """
    # Imported here: the workflow reads the list of target files in every job, and needs no chemistry for it.
    from rdkit import Chem

    readers: dict[str, Callable[[str], Any]] = {
        ".mol": Chem.MolFromMolFile,
        ".sdf": lambda name: next(iter(Chem.SDMolSupplier(name)), None),
        ".mol2": Chem.MolFromMol2File,
        ".pdb": Chem.MolFromPDBFile,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: a ligand file must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"the ligand file {path} does not exist")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: the ligand file has over {MAX_BYTES} bytes; give the ligand in a file of its own")
    try:
        molecule = readers[suffix](str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: RDKit can't read the ligand ({error})") from None
    if molecule is None:
        raise InputError(f"{path}: RDKit can't read the ligand; check valences and bond orders")
    if not molecule.GetNumConformers() or not molecule.GetConformer().Is3D():
        raise InputError(f"{path}: the ligand has no 3D coordinates; add them, or give the ligand as SMILES")
    return str(Chem.MolToMolBlock(molecule, forceV3000=molecule.GetNumAtoms() > 999))
