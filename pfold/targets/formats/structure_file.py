"""Structure files (PDB, mmCIF) as targets: what is in them is folded again, without their coordinates."""

import logging
from pathlib import Path

import gemmi

from pfold.errors import InputError
from pfold.files import read_unpacked
from pfold.targets.formats.fields import Draft, file_target_name, with_chain_ids
from pfold.targets.types import DNA, ION, LIGAND, PROTEIN, RNA, AtomRef, Bond, Entity, Modification, Target, chain_ids

logger = logging.getLogger(__name__)

_KINDS = {
    gemmi.PolymerType.PeptideL: PROTEIN,
    gemmi.PolymerType.PeptideD: PROTEIN,
    gemmi.PolymerType.Dna: DNA,
    gemmi.PolymerType.Rna: RNA,
}
# Components of the CCD for atoms and ligands that nobody could name.
_UNKNOWN_LIGANDS = frozenset(("UNX", "UNL"))
_UNKNOWN = {PROTEIN: "X", DNA: "N", RNA: "N"}
_STANDARD = {DNA: ("DA", "DC", "DG", "DT"), RNA: ("A", "C", "G", "U")}


def read_structure_file(content: str, path: Path) -> Target:
    """Read the chains, ligands and covalent links of a structure's first model; water is left out.

    The target is named after the file. Chain ids are the file's subchains (label_asym_id). Raises InputError for a file
    that can't be read or holds a polymer that pfold can't fold.
    """
    return structure_target(parse_structure(content, path), path)


def load_structure(path: Path) -> gemmi.Structure:
    """Read a PDB or mmCIF file, plain or .gz. Raises InputError, naming the file, for one that can't be read."""
    try:
        return parse_structure(read_unpacked(path).decode("utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the structure can't be read ({error})") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def structure_target(structure: gemmi.Structure, path: Path) -> Target:
    """What `read_structure_file` returns, of a structure that was parsed already."""
    name = file_target_name(path)
    drafts: dict[tuple[object, ...], Draft] = {}
    for chain in structure[0]:
        for subchain in chain.subchains():
            entity = structure.get_entity_of(subchain)
            found = _entity(entity, subchain)
            if found is None:
                continue
            key = (found.kind, found.sequence, found.modifications, found.codes)
            ids = (*drafts[key].ids, subchain.subchain_id()) if key in drafts else (subchain.subchain_id(),)
            drafts[key] = Draft(found, str(path), ids, len(ids))
    if not drafts:
        raise InputError("the first model has no polymer and no ligand")
    entities = with_chain_ids(list(drafts.values()))
    return Target(name, entities, f'{path}, record 1 ("{name}")', bonds=tuple(_bonds(structure, entities)))


def parse_structure(content: str, path: Path) -> gemmi.Structure:
    """A PDB or mmCIF file's text, by the file's name. Raises InputError where it can't be read or has no model."""
    try:
        if path.name.removesuffix(".gz").lower().endswith((".pdb", ".ent")):
            structure = _read_pdb(content)
        else:
            structure = gemmi.make_structure_from_block(gemmi.cif.read_string(content).sole_block())
        structure.setup_entities()
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"the structure can't be read ({error})") from None
    if len(structure) == 0:
        raise InputError("there is no model in the file")
    return structure


def _read_pdb(content: str) -> gemmi.Structure:
    """A PDB file; chains without an id, which end at TER, get free letters."""
    structure = gemmi.read_pdb_string(content)
    if not any(not chain.name.strip() for model in structure for chain in model):
        return structure
    structure = gemmi.read_pdb_string(content, split_chain_on_ter=True)
    for model in structure:
        taken = frozenset(chain.name for chain in model)
        free = iter(chain_ids(len(model), taken))
        for chain in model:
            if not chain.name.strip() or chain.name.startswith(" "):
                chain.name = next(free)
    return structure


def _entity(entity: gemmi.Entity | None, subchain: gemmi.ResidueSpan) -> Entity | None:
    if entity is None or entity.entity_type == gemmi.EntityType.Water:
        return None
    codes = tuple(residue.name for residue in subchain.first_conformer())
    if entity.entity_type != gemmi.EntityType.Polymer:
        if _UNKNOWN_LIGANDS.issuperset(codes):
            logger.warning(
                "chain %s is left out: what %s is, is unknown", subchain.subchain_id(), ", ".join(set(codes))
            )
            return None
        single = len(codes) == 1 and len(subchain[0]) == 1
        return Entity(ION if single else LIGAND, "", (), codes=codes)
    kind = _KINDS.get(entity.polymer_type)
    if kind is None:
        raise InputError(
            f"chain {subchain.subchain_id()} is a polymer that pfold can't fold ({entity.polymer_type.name})"
        )
    full = [gemmi.Entity.first_mon(item) for item in entity.full_sequence] or list(codes)
    return _polymer(kind, full)


def _polymer(kind: str, codes: list[str]) -> Entity:
    letters, found = [], []
    for position, code in enumerate(codes, start=1):
        info = gemmi.find_tabulated_residue(code)
        letter = info.one_letter_code.upper().strip()
        standard = code in _STANDARD[kind] if kind in _STANDARD else info.is_standard() and code != "UNK"
        if not standard and code not in ("UNK", "N", "DN"):
            found.append(Modification(position, code))
        usable = letter and letter in ("ACGTU" if kind != PROTEIN else "ARNDCQEGHILKMFPSTWYV")
        letters.append(letter if usable else _UNKNOWN[kind])
    return Entity(kind, "".join(letters), (), modifications=tuple(found))


def _bonds(structure: gemmi.Structure, entities: tuple[Entity, ...]) -> list[Bond]:
    """Covalent links of the file but disulfides, which the model finds itself, and those of a polymer."""
    known = {chain_id for entity in entities for chain_id in entity.ids}
    bonds = []
    for link in structure.connections:
        if link.type != gemmi.ConnectionType.Covale:
            continue
        ends = [_end(structure, partner) for partner in (link.partner1, link.partner2)]
        if None in ends:
            continue
        first, second = (end for end in ends if end is not None)
        neighbours = first.chain == second.chain and abs(first.position - second.position) == 1
        polymer = any(first.chain in e.ids and e.is_polymer for e in entities)
        if {first.chain, second.chain} <= known and not (neighbours and polymer) and first != second:
            bonds.append(Bond(first, second))
    # Links to symmetry copies and of alternative conformations repeat others.
    unique: dict[frozenset[AtomRef], Bond] = {frozenset((bond.first, bond.second)): bond for bond in bonds}
    return list(unique.values())


def _end(structure: gemmi.Structure, partner: gemmi.AtomAddress) -> AtomRef | None:
    found = structure[0].find_cra(partner)
    if found.residue is None:
        return None
    residue = found.residue
    if residue.label_seq is not None:
        return AtomRef(residue.subchain, residue.label_seq, partner.atom_name)
    span = structure[0].get_subchain(residue.subchain)
    numbers = [r.seqid for r in span.first_conformer()]
    return AtomRef(residue.subchain, numbers.index(residue.seqid) + 1, partner.atom_name)
