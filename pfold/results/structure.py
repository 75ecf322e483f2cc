"""Predicted structures as mmCIF."""

import re
from collections.abc import Sequence

import gemmi
import numpy as np

from pfold import __version__
from pfold.chem.components import component
from pfold.features.atoms import build_chain
from pfold.targets.types import Target

UNTRAINED_REMARK = (
    "UNTRAINED WEIGHTS: made with random stand-in weights to test the software. This is not a structure prediction."
)


def build_structure(target: Target, coordinate: np.ndarray, atom_plddt: np.ndarray) -> gemmi.Structure:
    """The predicted atoms of a target as a gemmi structure.

    coordinate [N_atom, 3] (Å), atom_plddt [N_atom] in 0..1; the B factor is pLDDT on the scale 0..100.
    """
    structure = gemmi.Structure()
    structure.name = target.name
    model = gemmi.Model(1)
    atom = 0
    for entity in target.entities:
        residues = build_chain(entity.sequence)
        for chain_id in entity.ids:
            chain = gemmi.Chain(chain_id)
            for number, residue in enumerate(residues, start=1):
                added = gemmi.Residue()
                added.name, added.seqid, added.label_seq = residue.code, gemmi.SeqId(str(number)), number
                added.entity_type, added.subchain = gemmi.EntityType.Polymer, chain_id
                for name, element in zip(residue.atom_name, residue.element, strict=True):
                    added.add_atom(_atom(str(name), str(element), coordinate[atom], atom_plddt[atom]))
                    atom += 1
                chain.add_residue(added)
            model.add_chain(chain)
    structure.add_model(model)
    _add_entities(structure, target)
    return structure


def _atom(name: str, element: str, position: np.ndarray, plddt: float) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element(element.capitalize())
    atom.pos = gemmi.Position(*(round(float(x), 3) for x in position))
    atom.occ, atom.b_iso = 1.0, 100.0 * float(plddt)
    return atom


def _add_entities(structure: gemmi.Structure, target: Target) -> None:
    for number, entity in enumerate(target.entities, start=1):
        added = gemmi.Entity(str(number))
        added.entity_type, added.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.PeptideL
        added.subchains = list(entity.ids)
        added.full_sequence = [residue.code for residue in build_chain(entity.sequence)]
        structure.entities.append(added)


# The categories that gemmi writes; cell and symmetry, say, would be made up.
_GROUPS = ("block_name", "entry", "entity", "entity_poly", "entity_poly_seq", "struct_asym", "atom_type")


def format_mmcif(target: Target, coordinate: np.ndarray, atom_plddt: np.ndarray, model: str, untrained: bool) -> str:
    """The mmCIF text of one sample; arguments as `build_structure`.

    model: the model's name. untrained: say in title, remark and software that the weights were stand-ins.
    """
    document = gemmi.cif.Document()
    block = document.add_new_block(re.sub(r"[^\w.-]", "_", target.name))
    structure = build_structure(target, coordinate, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    for group in _GROUPS:
        setattr(groups, group, True)
    structure.update_mmcif_block(block, groups)
    _add_description(block, target, model, untrained)
    _add_components(block, structure)
    _add_confidence(block, target, atom_plddt)
    groups = gemmi.MmcifOutputGroups(False)
    groups.atoms = groups.group_pdb = True
    structure.update_mmcif_block(block, groups)
    return document.as_string(gemmi.cif.WriteOptions(gemmi.cif.Style.Pdbx))


def _add_description(block: gemmi.cif.Block, target: Target, model: str, untrained: bool) -> None:
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


def _add_components(block: gemmi.cif.Block, structure: gemmi.Structure) -> None:
    codes = sorted({residue.name for chain in structure[0] for residue in chain})
    loop = block.init_loop("_chem_comp.", ["id", "type"])
    for code in codes:
        loop.add_row([code, gemmi.cif.quote(component(code).type)])


def _add_confidence(block: gemmi.cif.Block, target: Target, atom_plddt: np.ndarray) -> None:
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
    for ordinal, (chain_id, code, number, plddt) in enumerate(_residue_plddt(target, atom_plddt), start=1):
        local.add_row([str(ordinal), chain_id, code, str(number), "2", f"{100 * plddt:.2f}", "1"])


def _residue_plddt(target: Target, atom_plddt: np.ndarray) -> Sequence[tuple[str, str, int, float]]:
    rows, start = [], 0
    for entity in target.entities:
        residues = build_chain(entity.sequence)
        for chain_id in entity.ids:
            for number, residue in enumerate(residues, start=1):
                stop = start + len(residue.atom_name)
                rows.append((chain_id, residue.code, number, float(atom_plddt[start:stop].mean())))
                start = stop
    return rows
