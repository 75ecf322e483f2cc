"""What an mmCIF file says beside its atoms: sequence schemes of PDBx, and how the model came to be, in ModelCIF.

ModelCIF: Vallat et al. 2023, dictionary mmcif_ma.dic; PDBx: mmcif_pdbx_v50.dic.
"""

import re
from collections.abc import Sequence

import gemmi
import numpy as np

from pfold import __version__
from pfold.chem.types import Assembly, Chain
from pfold.results.sample import ResultInfo
from pfold.targets.types import POLYMERS, Target

# Numbers of the model's own data, behind those of the entities that are modelled.
_MODEL_ID = _ASSEMBLY_ID = _PROTOCOL_ID = _SOFTWARE_GROUP = _PARAMETER_GROUP = "1"
_TARGET_GROUP, _DATABASE_GROUP, _MODEL_GROUP = "1", "2", "3"


def add_schemes(block: gemmi.cif.Block, assembly: Assembly) -> None:
    """The residues of polymers, ligands and branched ligands as PDBx lists them."""
    _add_polymers(block, assembly)
    _add_branched(block, assembly)
    columns = ["asym_id", "entity_id", "mon_id", "ndb_seq_num", "pdb_seq_num", "auth_seq_num"]
    columns += ["pdb_mon_id", "auth_mon_id", "pdb_strand_id", "pdb_ins_code"]
    rows = [
        [chain.id, _entity(chain), residue.code, "1", "1", "1", residue.code, residue.code, chain.id, "."]
        for chain in assembly.chains
        if chain.kind not in POLYMERS and len(chain.residues) == 1
        for residue in chain.residues
    ]
    add_loop(block, "_pdbx_nonpoly_scheme.", columns, rows)


def add_provenance(block: gemmi.cif.Block, target: Target, assembly: Assembly, info: ResultInfo) -> None:
    """What was modelled, of which data, by which software with which settings, in which steps."""
    _add_data(block, target, assembly, info)
    _add_software(block, info)
    _add_steps(block, info)
    _add_assembly(block, assembly)
    columns = ["ordinal_id", "model_id", "model_group_id", "model_name", "assembly_id", "data_id", "model_type"]
    row = ["1", _MODEL_ID, "1", "Predicted structure", _ASSEMBLY_ID, _model_data(target), "Ab initio model"]
    add_loop(block, "_ma_model_list.", columns, [row])


def add_confidence(block: gemmi.cif.Block, assembly: Assembly, atom_plddt: np.ndarray) -> None:
    """Mean pLDDT of the model and of each residue (0 to 100).  atom_plddt [N_atom] in 0..1."""
    columns = ["id", "mode", "name", "software_group_id", "type"]
    modes = [[number, mode, "pLDDT", _SOFTWARE_GROUP, "pLDDT"] for number, mode in (("1", "global"), ("2", "local"))]
    add_loop(block, "_ma_qa_metric.", columns, modes)
    columns = ["ordinal_id", "metric_id", "metric_value", "model_id"]
    add_loop(block, "_ma_qa_metric_global.", columns, [["1", "1", f"{100 * atom_plddt.mean():.2f}", _MODEL_ID]])
    rows: list[list[str]] = []
    start = 0
    for chain in assembly.chains:
        for number, residue in enumerate(chain.residues, start=1):
            stop = start + len(residue.atom_name)
            seq_id = str(number) if chain.kind in POLYMERS else "."
            value = f"{100 * atom_plddt[start:stop].mean():.2f}"
            rows.append([str(len(rows) + 1), chain.id, residue.code, seq_id, "2", value, _MODEL_ID])
            start = stop
    columns = ["ordinal_id", "label_asym_id", "label_comp_id", "label_seq_id", "metric_id", "metric_value", "model_id"]
    add_loop(block, "_ma_qa_metric_local.", columns, rows)


def add_loop(block: gemmi.cif.Block, category: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of a category, where it has rows; "." and "?" stay what they are."""
    if rows:
        loop = block.init_loop(category, list(columns))
        for row in rows:
            loop.add_row([value if value in (".", "?") else gemmi.cif.quote(value) for value in row])


def _entity(chain: Chain) -> str:
    return str(chain.entity + 1)


def _add_polymers(block: gemmi.cif.Block, assembly: Assembly) -> None:
    rows = []
    for chain in assembly.chains:
        if chain.kind in POLYMERS:
            for number, residue in enumerate(chain.residues, start=1):
                n, code = str(number), residue.code
                rows.append([chain.id, _entity(chain), n, code, n, n, n, code, code, chain.id, ".", "n"])
    columns = ["asym_id", "entity_id", "seq_id", "mon_id", "ndb_seq_num", "pdb_seq_num", "auth_seq_num"]
    columns += ["pdb_mon_id", "auth_mon_id", "pdb_strand_id", "pdb_ins_code", "hetero"]
    add_loop(block, "_pdbx_poly_seq_scheme.", columns, rows)


def _add_branched(block: gemmi.cif.Block, assembly: Assembly) -> None:
    """Glycans and other ligands of several components: their residues and the bonds between them."""
    chains = [chain for chain in assembly.chains if chain.kind not in POLYMERS and len(chain.residues) > 1]
    # The first copy of each entity, and its number among all chains.
    first: dict[int, tuple[int, Chain]] = {}
    for chain in chains:
        first.setdefault(chain.entity, (assembly.chains.index(chain), chain))
    rows = [[_entity(chain), "oligosaccharide"] for _, chain in first.values()]
    add_loop(block, "_pdbx_entity_branch.", ["entity_id", "type"], rows)
    residues = [
        [_entity(chain), str(number), residue.code, "n"]
        for _, chain in first.values()
        for number, residue in enumerate(chain.residues, start=1)
    ]
    add_loop(block, "_pdbx_entity_branch_list.", ["entity_id", "num", "comp_id", "hetero"], residues)
    links = [link for number, chain in first.values() for link in _branch_links(assembly, number, chain)]
    columns = ["link_id", "entity_id", "entity_branch_list_num_1", "comp_id_1", "atom_id_1", "leaving_atom_id_1"]
    columns += ["entity_branch_list_num_2", "comp_id_2", "atom_id_2", "leaving_atom_id_2", "value_order"]
    rows = [[str(number), *link, "sing"] for number, link in enumerate(links, start=1)]
    add_loop(block, "_pdbx_entity_branch_link.", columns, rows)
    scheme = [
        [c.id, _entity(c), r.code, n, n, r.code, c.id, n, r.code, c.id, "n"]
        for c in chains
        for n, r in ((str(number), residue) for number, residue in enumerate(c.residues, start=1))
    ]
    columns = ["asym_id", "entity_id", "mon_id", "num", "pdb_seq_num", "pdb_mon_id", "pdb_asym_id", "auth_seq_num"]
    add_loop(block, "_pdbx_branch_scheme.", [*columns, "auth_mon_id", "auth_asym_id", "hetero"], scheme)


def _branch_links(assembly: Assembly, number: int, chain: Chain) -> list[list[str]]:
    """Bonds between residues of one chain: entity, and of either end residue number, component, atom, leaving atom."""
    links = []
    for ends in assembly.bonds:
        if all(end[0] == number for end in ends) and ends[0][1] != ends[1][1]:
            row = [_entity(chain)]
            for _, residue_number, atom in ends:
                residue = chain.residues[residue_number]
                name = str(residue.atom_name[atom])
                row += [str(residue_number + 1), residue.code, name, _leaving_atom(name)]
            links.append(row)
    return links


def _leaving_atom(name: str) -> str:
    """The atom that a glycosidic bond replaces: the hydroxyl of a carbon, the hydrogen of a hydroxyl."""
    found = re.fullmatch(r"C(\d+)", name)
    return f"O{found[1]}" if found else f"H{name}"


def _model_data(target: Target) -> str:
    """Number of the model's coordinates among the data, behind the entities."""
    return str(len(target.entities) + 1)


def _add_data(block: gemmi.cif.Block, target: Target, assembly: Assembly, info: ResultInfo) -> None:
    entities = [str(number) for number in range(1, len(target.entities) + 1)]
    model = _model_data(target)
    databases = {str(int(model) + i): name for i, name in enumerate(info.databases, start=1)}
    data = [[n, "target", f"Entity {n}"] for n in entities] + [[model, "model coordinates", "Predicted structure"]]
    data += [[number, "reference database", name] for number, name in databases.items()]
    add_loop(block, "_ma_data.", ["id", "content_type", "name"], data)
    groups = [[_TARGET_GROUP, n] for n in entities] + [[_DATABASE_GROUP, n] for n in (*entities, *databases)]
    groups += [[_MODEL_GROUP, model]]
    rows = [[str(i), *group] for i, group in enumerate(groups, start=1)]
    add_loop(block, "_ma_data_group.", ["ordinal_id", "group_id", "data_id"], rows)
    rows = [[n, name, "?"] for n, name in databases.items()]
    add_loop(block, "_ma_data_ref_db.", ["data_id", "name", "location_url"], rows)
    rows = [[n, n, "designed"] for n in entities]
    add_loop(block, "_ma_target_entity.", ["entity_id", "data_id", "origin"], rows)
    instances = [[chain.id, _entity(chain), "."] for chain in assembly.chains]
    add_loop(block, "_ma_target_entity_instance.", ["asym_id", "entity_id", "details"], instances)


def _add_software(block: gemmi.cif.Block, info: ResultInfo) -> None:
    description = f"{info.model}, {info.weights} weights"
    columns = ["pdbx_ordinal", "name", "version", "classification", "description"]
    add_loop(block, "_software.", columns, [["1", "pfold", __version__, "prediction", description]])
    columns = ["ordinal_id", "group_id", "software_id", "parameter_group_id"]
    add_loop(block, "_ma_software_group.", columns, [["1", _SOFTWARE_GROUP, "1", _PARAMETER_GROUP]])
    kinds = {int: "integer", float: "float", bool: "boolean"}
    rows = [
        [str(i), _PARAMETER_GROUP, kinds.get(type(value), "string"), name, str(value)]
        for i, (name, value) in enumerate(sorted(info.settings.items()), start=1)
    ]
    columns = ["parameter_id", "group_id", "data_type", "name", "value"]
    add_loop(block, "_ma_software_parameter.", columns, rows)


def _add_steps(block: gemmi.cif.Block, info: ResultInfo) -> None:
    searched = bool(info.databases)
    steps = [("coevolution MSA", "Search of the alignments", _TARGET_GROUP, _DATABASE_GROUP)] if searched else []
    steps += [
        ("modeling", "Prediction of structures", _DATABASE_GROUP if searched else _TARGET_GROUP, _MODEL_GROUP),
        ("model selection", "Ranking of the samples", _MODEL_GROUP, _MODEL_GROUP),
    ]
    columns = ["ordinal_id", "protocol_id", "step_id", "method_type", "step_name", "software_group_id"]
    columns += ["input_data_group_id", "output_data_group_id"]
    rows = [
        [str(i), _PROTOCOL_ID, str(i), kind, name, _SOFTWARE_GROUP, read, made]
        for i, (kind, name, read, made) in enumerate(steps, start=1)
    ]
    add_loop(block, "_ma_protocol_step.", columns, rows)


def _add_assembly(block: gemmi.cif.Block, assembly: Assembly) -> None:
    """All chains together, as ModelCIF has them, and as viewers look for them in PDBx."""
    columns = ["assembly_id", "assembly_name", "assembly_description"]
    add_loop(block, "_ma_struct_assembly_details.", columns, [[_ASSEMBLY_ID, "Complete", "All chains of the target"]])
    rows: list[list[str]] = []
    for chain in assembly.chains:
        ends = ("1", str(len(chain.residues))) if chain.kind in POLYMERS else (".", ".")
        rows.append([str(len(rows) + 1), _ASSEMBLY_ID, _entity(chain), chain.id, *ends])
    columns = ["ordinal_id", "assembly_id", "entity_id", "asym_id", "seq_id_begin", "seq_id_end"]
    add_loop(block, "_ma_struct_assembly.", columns, rows)
    columns = ["id", "details", "method_details", "oligomeric_details", "oligomeric_count"]
    count = str(sum(chain.kind in POLYMERS for chain in assembly.chains))
    add_loop(block, "_pdbx_struct_assembly.", columns, [["1", "author_defined_assembly", "?", "?", count]])
    chains = ",".join(chain.id for chain in assembly.chains)
    columns = ["assembly_id", "oper_expression", "asym_id_list"]
    add_loop(block, "_pdbx_struct_assembly_gen.", columns, [["1", "1", chains]])
    identity = {f"matrix[{i}][{j}]": str(int(i == j)) for i in (1, 2, 3) for j in (1, 2, 3)}
    identity |= {f"vector[{i}]": "0" for i in (1, 2, 3)}
    row = ["1", "identity operation", *identity.values()]
    add_loop(block, "_pdbx_struct_oper_list.", ["id", "type", *identity], [row])
