"""Predicted structures as mmCIF."""

import re
from collections.abc import Sequence

import gemmi
import numpy as np

from pfold import __version__
from pfold.chem.types import Assembly, Chain, Residue
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, Target

UNTRAINED_REMARK = (
    "UNTRAINED WEIGHTS: made with random stand-in weights to test the software. This is not a structure prediction."
)


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
        added.add_atom(_atom(str(name), str(residue.element[i]), position[i], plddt[i]))
    return added


def _entity_type(chain: Chain) -> gemmi.EntityType:
    if chain.kind in _POLYMER_TYPES:
        return gemmi.EntityType.Polymer
    return gemmi.EntityType.NonPolymer if len(chain.residues) == 1 else gemmi.EntityType.Branched


def _atom(name: str, element: str, position: np.ndarray, plddt: float) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element(element.capitalize())
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
    target: Target, assembly: Assembly, coordinate: np.ndarray, atom_plddt: np.ndarray, model: str, *, untrained: bool
) -> str:
    """The mmCIF text of one sample; arguments as `build_structure`.

    assembly: the target's, built once for all samples. model: the model's name. untrained: say in title, remark and
    software that the weights were stand-ins.
    """
    document = gemmi.cif.Document()
    block = document.add_new_block(_block_name(target.name))
    structure = build_structure(target, assembly, coordinate, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    for group in _GROUPS:
        setattr(groups, group, True)
    structure.update_mmcif_block(block, groups)
    _add_description(block, target, model, untrained=untrained)
    _add_components(block, assembly)
    _add_confidence(block, assembly, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    groups.atoms = groups.group_pdb = True
    structure.update_mmcif_block(block, groups)
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


def _add_description(block: gemmi.cif.Block, target: Target, model: str, *, untrained: bool) -> None:
    """What the file is: title, remark, method and software."""
    title = f"Predicted structure of {target.name}"
    block.set_pair("_struct.entry_id", gemmi.cif.quote(target.name))
    block.set_pair("_struct.title", gemmi.cif.quote(f"{UNTRAINED_REMARK} {title}" if untrained else title))
    if untrained:
        block.set_pair("_database_PDB_remark.id", "999")
        block.set_pair("_database_PDB_remark.text", gemmi.cif.quote(UNTRAINED_REMARK))
    block.set_pair("_exptl.entry_id", gemmi.cif.quote(target.name))
    block.set_pair("_exptl.method", gemmi.cif.quote("THEORETICAL MODEL"))
    software = block.init_loop("_software.", ["pdbx_ordinal", "name", "version", "classification", "description"])
    weights = "untrained weights" if untrained else "published weights"
    software.add_row(["1", "pfold", __version__, "prediction", gemmi.cif.quote(f"{model}, {weights}")])


def _add_components(block: gemmi.cif.Block, assembly: Assembly) -> None:
    types = {r.code: _COMPONENT_TYPES[r.mol_type] for chain in assembly.chains for r in chain.residues}
    loop = block.init_loop("_chem_comp.", ["id", "type"])
    for code in sorted(types):
        loop.add_row([code, gemmi.cif.quote(types[code])])


def _add_confidence(block: gemmi.cif.Block, assembly: Assembly, atom_plddt: np.ndarray) -> None:
    """Mean pLDDT of the model and of each residue, in the ModelCIF categories that viewers read."""
    metric = block.init_loop("_ma_qa_metric.", ["id", "mode", "name", "software_group_id", "type"])
    metric.add_row(["1", "global", "pLDDT", "1", "pLDDT"])
    metric.add_row(["2", "local", "pLDDT", "1", "pLDDT"])
    block.set_pair("_ma_qa_metric_global.ordinal_id", "1")
    block.set_pair("_ma_qa_metric_global.metric_id", "1")
    block.set_pair("_ma_qa_metric_global.metric_value", f"{100 * atom_plddt.mean():.2f}")
    block.set_pair("_ma_qa_metric_global.model_id", "1")
    columns = ["ordinal_id", "label_asym_id", "label_comp_id", "label_seq_id", "metric_id", "metric_value", "model_id"]
    local = block.init_loop("_ma_qa_metric_local.", columns)
    for ordinal, (chain_id, code, number, plddt) in enumerate(_residue_plddt(assembly, atom_plddt), start=1):
        local.add_row([str(ordinal), chain_id, code, number, "2", f"{100 * plddt:.2f}", "1"])


def _residue_plddt(assembly: Assembly, atom_plddt: np.ndarray) -> Sequence[tuple[str, str, str, float]]:
    rows, start = [], 0
    for chain in assembly.chains:
        for number, residue in enumerate(chain.residues, start=1):
            stop = start + len(residue.atom_name)
            seq_id = str(number) if chain.kind in _POLYMER_TYPES else "."
            rows.append((chain.id, residue.code, seq_id, float(atom_plddt[start:stop].mean())))
            start = stop
    return rows
