"""Predicted structures as mmCIF."""

import re

import gemmi
import numpy as np

from pfold.chem.types import Assembly, Chain, Residue
from pfold.results.modelcif import add_confidence, add_provenance, add_schemes
from pfold.results.sample import ResultInfo
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, Target

_COMPONENT_TYPES = {
    PROTEIN: "L-peptide linking",
    DNA: "DNA linking",
    RNA: "RNA linking",
    LIGAND: "non-polymer",
}
_POLYMER_TYPES = {
    PROTEIN: gemmi.PolymerType.PeptideL,
    DNA: gemmi.PolymerType.Dna,
    RNA: gemmi.PolymerType.Rna,
}


def build_structure(
    target: Target, assembly: Assembly, coordinate: np.ndarray, atom_plddt: np.ndarray
) -> gemmi.Structure:
    """The predicted atoms of a target as a gemmi structure.

    coordinate [N_atom, 3] (Å), atom_plddt [N_atom] in 0..1; the B factor is pLDDT on the scale 0..100.
    """
    structure = gemmi.Structure()
    structure.name = target.name
    model = gemmi.Model(1)
    atom = 0
    for chain in assembly.chains:
        added = gemmi.Chain(chain.id)
        for number, residue in enumerate(chain.residues, start=1):
            stop = atom + len(residue.atom_name)
            added.add_residue(_residue(residue, chain, number, coordinate[atom:stop], atom_plddt[atom:stop]))
            atom = stop
        model.add_chain(added)
    structure.add_model(model)
    _add_entities(structure, target, assembly)
    _add_connections(structure, assembly)
    return structure


def _residue(residue: Residue, chain: Chain, number: int, position: np.ndarray, plddt: np.ndarray) -> gemmi.Residue:
    added = gemmi.Residue()
    added.name, added.seqid, added.subchain = residue.code, gemmi.SeqId(str(number)), chain.id
    if chain.kind in _POLYMER_TYPES:
        added.entity_type, added.label_seq = gemmi.EntityType.Polymer, number
        added.het_flag = "A" if residue.is_standard else "H"
    else:
        added.entity_type, added.het_flag = _entity_type(chain), "H"
    for i, name in enumerate(residue.atom_name):
        # Those of standard residues go without saying.
        charge = 0 if residue.is_standard else int(residue.charge[i])
        added.add_atom(_atom(str(name), str(residue.element[i]), charge, position[i], plddt[i]))
    return added


def _entity_type(chain: Chain) -> gemmi.EntityType:
    if chain.kind in _POLYMER_TYPES:
        return gemmi.EntityType.Polymer
    return gemmi.EntityType.NonPolymer if len(chain.residues) == 1 else gemmi.EntityType.Branched


def _atom(name: str, element: str, charge: int, position: np.ndarray, plddt: float) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element, atom.charge = name, gemmi.Element(element.capitalize()), charge
    atom.pos = gemmi.Position(*(round(float(x), 3) for x in position))
    atom.occ, atom.b_iso = 1.0, 100.0 * float(plddt)
    return atom


def _add_entities(structure: gemmi.Structure, target: Target, assembly: Assembly) -> None:
    for number, entity in enumerate(target.entities):
        chain = next(chain for chain in assembly.chains if chain.entity == number)
        added = gemmi.Entity(str(number + 1))
        added.entity_type = _entity_type(chain)
        added.subchains = list(entity.ids)
        if entity.is_polymer:
            added.polymer_type = _POLYMER_TYPES[entity.kind]
            added.full_sequence = [residue.code for residue in chain.residues]
        structure.entities.append(added)


def _add_connections(structure: gemmi.Structure, assembly: Assembly) -> None:
    """The input's covalent bonds, as struct_conn."""
    for number, ends in enumerate(assembly.bonds, start=1):
        connection = gemmi.Connection()
        connection.name, connection.type = f"covale{number}", gemmi.ConnectionType.Covale
        partners = []
        for chain_number, residue_number, atom in ends:
            chain = assembly.chains[chain_number]
            residue = chain.residues[residue_number]
            address = gemmi.AtomAddress(
                chain.id, gemmi.SeqId(str(residue_number + 1)), residue.code, str(residue.atom_name[atom])
            )
            partners.append(address)
        connection.partner1, connection.partner2 = partners
        structure.connections.append(connection)


# The categories that gemmi writes; cell and symmetry, say, would be made up.
_GROUPS = (
    "block_name",
    "entry",
    "entity",
    "entity_poly",
    "entity_poly_seq",
    "struct_asym",
    "conn",
    "atom_type",
)


def format_mmcif(
    target: Target, assembly: Assembly, coordinate: np.ndarray, atom_plddt: np.ndarray, info: ResultInfo
) -> str:
    """The mmCIF text of one sample; arguments as `build_structure`.

    assembly: the target's, built once for all samples. info: of its result; title, remark and software say where the
    weights were stand-ins.
    """
    document = gemmi.cif.Document()
    block = document.add_new_block(_block_name(target.name))
    structure = build_structure(target, assembly, coordinate, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    for group in _GROUPS:
        setattr(groups, group, True)
    structure.update_mmcif_block(block, groups)
    _add_description(block, target, info.remark)
    _add_components(block, assembly)
    add_schemes(block, assembly)
    add_provenance(block, target, assembly, info)
    add_confidence(block, assembly, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    groups.atoms = groups.group_pdb = True
    structure.update_mmcif_block(block, groups)
    _complete_charges(block)
    return document.as_string(gemmi.cif.WriteOptions(gemmi.cif.Style.Pdbx))


def renamed_mmcif(text: str, name: str) -> str:
    """The text of `format_mmcif` for a target of another name and the same molecules."""
    document = gemmi.cif.read_string(text)
    block = document.sole_block()
    before = gemmi.cif.as_string(block.find_value("_entry.id"))
    title = gemmi.cif.as_string(block.find_value("_struct.title"))
    block.name = _block_name(name)
    for tag in ("_entry.id", "_struct.entry_id", "_exptl.entry_id"):
        block.set_pair(tag, gemmi.cif.quote(name))
    block.set_pair("_struct.title", gemmi.cif.quote(title.removesuffix(before) + name))
    return document.as_string(gemmi.cif.WriteOptions(gemmi.cif.Style.Pdbx))


def _block_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _complete_charges(block: gemmi.cif.Block) -> None:
    """Charges of all atoms where one has any, else none: "?" is no charge to the programs that read the column."""
    column = block.find_values("_atom_site.pdbx_formal_charge")
    if all(value == "?" for value in column):
        column.erase()
        return
    for row, value in enumerate(column):
        column[row] = "0" if value == "?" else value


def _add_description(block: gemmi.cif.Block, target: Target, remark: str) -> None:
    """What the file is: title, remark and method."""
    title = f"Predicted structure of {target.name}"
    block.set_pair("_struct.entry_id", gemmi.cif.quote(target.name))
    block.set_pair("_struct.title", gemmi.cif.quote(f"{remark} {title}".strip()))
    if remark:
        block.set_pair("_database_PDB_remark.id", "999")
        block.set_pair("_database_PDB_remark.text", gemmi.cif.quote(remark))
    block.set_pair("_exptl.entry_id", gemmi.cif.quote(target.name))
    block.set_pair("_exptl.method", gemmi.cif.quote("THEORETICAL MODEL"))


def _add_components(block: gemmi.cif.Block, assembly: Assembly) -> None:
    types = {r.code: _COMPONENT_TYPES[r.mol_type] for chain in assembly.chains for r in chain.residues}
    loop = block.init_loop("_chem_comp.", ["id", "type"])
    for code in sorted(types):
        loop.add_row([code, gemmi.cif.quote(types[code])])
