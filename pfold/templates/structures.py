"""Template structures: the full sequence and atoms of a protein chain, from mmCIF or PDB files."""

import datetime
import functools
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from pfold.chem.residues import PROTEIN_ONE_TO_THREE
from pfold.errors import InputError
from pfold.files import file_state, read_unpacked

_THREE_TO_ONE = {code: letter for letter, code in PROTEIN_ONE_TO_THREE.items() if code != "UNK"}
# Names of all heavy atoms of the standard residues, in the order of AlphaFold's 37.
ATOM37 = [
    "N",
    "CA",
    "C",
    "CB",
    "O",
    "CG",
    "CG1",
    "CG2",
    "OG",
    "OG1",
    "SG",
    "CD",
    "CD1",
    "CD2",
    "ND1",
    "ND2",
    "OD1",
    "OD2",
    "SD",
    "CE",
    "CE1",
    "CE2",
    "CE3",
    "NE",
    "NE1",
    "NE2",
    "OE1",
    "OE2",
    "CH2",
    "NH1",
    "NH2",
    "OH",
    "CZ",
    "CZ2",
    "CZ3",
    "NZ",
    "OXT",
]
_ATOM = {name: i for i, name in enumerate(ATOM37)}


@dataclass(frozen=True, eq=False)
class TemplateChain:
    """A protein chain: full sequence (X for unusual residues), atoms of each residue, and the date of release.

    positions [N, 37, 3] float32 (Å), mask [N, 37] bool; the date is None where the file has none.
    """

    name: str
    sequence: str
    positions: np.ndarray
    mask: np.ndarray
    released: datetime.date | None


@dataclass(frozen=True, eq=False)
class Template:
    """A template on the residues of the query: letters ("-" where it has none) and atoms.

    positions [N, 37, 3] float32 (Å, centred), mask [N, 37] bool.
    """

    name: str
    sequence: str
    positions: np.ndarray
    mask: np.ndarray


def find_structure(mirror: Path, pdb_id: str) -> Path:
    """The file of an entry in a mirror of the PDB, flat or in folders by the id's middle letters, plain or .gz.

    Raises InputError where the mirror has none.
    """
    pdb_id = pdb_id.lower()
    for folder in (mirror, mirror / pdb_id[1:3]):
        for suffix in (".cif", ".cif.gz"):
            path = folder / f"{pdb_id}{suffix}"
            if path.is_file():
                return path
    raise InputError(f"{mirror} has no {pdb_id}.cif (or .cif.gz), neither there nor in {pdb_id[1:3]}/")


def read_template_chain(source: Path | str, chain: str) -> TemplateChain:
    """A protein chain of a structure file or of mmCIF text.

    chain: author's chain id, or label id where no author's fits; "" for the only protein chain. Raises InputError for a
    file that can't be read or has no such chain.
    """
    if isinstance(source, Path) and source.is_file():
        return _read_chain(source.absolute(), file_state(source), chain)
    return _read_chain(source, "", chain)


@functools.lru_cache(maxsize=64)
def _read_chain(source: Path | str, _state: str, chain: str) -> TemplateChain:
    structure, released, name = _read(source)
    subchain, entity = _protein_subchain(structure, chain, name)
    codes = [gemmi.Entity.first_mon(item) for item in entity.full_sequence] or [r.name for r in subchain]
    sequence = "".join(_THREE_TO_ONE.get(code, "X") for code in codes)
    positions = np.zeros((len(codes), len(ATOM37), 3), np.float32)
    mask = np.zeros((len(codes), len(ATOM37)), bool)
    for i, residue in enumerate(subchain.first_conformer()):
        number = residue.label_seq - 1 if residue.label_seq is not None else i
        if 0 <= number < len(codes):
            _set_atoms(residue, positions[number], mask[number])
    return TemplateChain(f"{name}_{chain}", sequence, positions, mask, released)


def _read(source: Path | str) -> tuple[gemmi.Structure, datetime.date | None, str]:
    name = source.name if isinstance(source, Path) else "the template"
    try:
        text = read_unpacked(source).decode() if isinstance(source, Path) else source
        if name.removesuffix(".gz").lower().endswith((".pdb", ".ent")):
            structure, released = gemmi.read_pdb_string(text), None
        else:
            block = gemmi.cif.read_string(text).sole_block()
            structure, released = gemmi.make_structure_from_block(block), _release_date(block)
        structure.setup_entities()
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{name}: the template structure can't be read ({error})") from None
    if len(structure) == 0:
        raise InputError(f"{name}: there is no model in the template structure")
    return structure, released, name.split(".")[0]


def _release_date(block: gemmi.cif.Block) -> datetime.date | None:
    dates = [gemmi.cif.as_string(d) for d in block.find_values("_pdbx_audit_revision_history.revision_date")]
    return min((datetime.date.fromisoformat(d) for d in dates if d), default=None)


def _protein_subchain(structure: gemmi.Structure, chain: str, name: str) -> tuple[gemmi.ResidueSpan, gemmi.Entity]:
    found = []
    for part in structure[0]:
        for subchain in part.subchains():
            entity = structure.get_entity_of(subchain)
            if entity is not None and entity.polymer_type in (gemmi.PolymerType.PeptideL, gemmi.PolymerType.PeptideD):
                found.append((part.name, subchain, entity))
    matching = [f for f in found if f[0] == chain] or [f for f in found if f[1].subchain_id() == chain]
    if len(found) == 1 and not matching:
        matching = found
    if len(matching) != 1:
        known = ", ".join(f[0] for f in found) or "none"
        raise InputError(f'{name}: the template structure has no single protein chain "{chain}"; it has {known}')
    return matching[0][1], matching[0][2]


def _set_atoms(residue: gemmi.Residue, positions: np.ndarray, mask: np.ndarray) -> None:
    for atom in residue.first_conformer():
        name = "SD" if residue.name == "MSE" and atom.name == "SE" else atom.name
        if name in _ATOM:
            positions[_ATOM[name]] = atom.pos.tolist()
            mask[_ATOM[name]] = True
    near, far, cd = _ATOM["NH1"], _ATOM["NH2"], _ATOM["CD"]
    if residue.name == "ARG" and mask[[near, far, cd]].all():
        # By convention NH1 is the one nearer to CD.
        distance = np.linalg.norm(positions[[near, far]] - positions[cd], axis=1)
        if distance[0] > distance[1]:
            positions[[near, far]] = positions[[far, near]]
