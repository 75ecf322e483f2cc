"""The structure file against the dictionaries it follows, and the libraries that people read it with."""

import warnings
from pathlib import Path

import gemmi
import ihm.reader
import modelcif.reader
import pytest
from Bio import SeqIO

from pfold.chem.assembly import build_assembly
from pfold.features.featurize import featurize
from pfold.results.sample import ResultInfo
from pfold.results.structure import format_mmcif
from tests.molecules import TARGETS
from tests.runs import StandInModel

# PDBx's dictionary, of Debian's package libcifpp-data.
PDBX = Path("/usr/share/libcifpp/mmcif_pdbx.dic")
INFO = ResultInfo("r1", "protenix_tiny_default_v0.5.0", True, 32, 7, 1.5, {"n_step": 5}, ("uniref90.fasta",))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mmcif")
    for name, target in TARGETS.items():
        out = StandInModel().predict(featurize(target), n_sample=1, noise=1)
        plddt = out["full_data"][0]["atom_plddt"]
        text = format_mmcif(target, build_assembly(target), out["coordinate"][0], plddt, INFO)
        (folder / f"{name}.cif").write_text(text)
    return {name: folder / f"{name}.cif" for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("reader", [modelcif.reader, ihm.reader])
def test_modelcif_and_ihm_read_it_without_a_complaint(files, name, reader):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with files[name].open() as file:
            (system,) = reader.read(file)
    target = TARGETS[name]
    assert [asym.id for asym in system.asym_units] == [c.id for c in build_assembly(target).chains]
    assert len(system.entities) == len(target.entities)


def test_modelcif_knows_how_the_model_came_to_be(files):
    with files["complex"].open() as file:
        (system,) = modelcif.reader.read(file)
    (group,) = system.model_groups
    (model,) = group
    assert len(list(model.get_atoms())) > 100
    assert {metric.value for metric in model.qa_metrics if hasattr(metric, "asym_unit") is False} == {50.0}
    (protocol,) = system.protocols
    assert [type(step).__name__ for step in protocol.steps][1:] == ["ModelingStep", "ModelSelectionStep"]
    assert [s.name for s in system.software] == ["pfold"]
    databases = [data for step in protocol.steps for data in step.input_data or [] if hasattr(data, "url")]
    assert {data.name for data in databases} == {"uniref90.fasta"}
    assert [e.type for e in system.entities] == ["polymer", "polymer", "non-polymer", "non-polymer"]


@pytest.mark.parametrize("name", ["monomer", "complex", "glycan", "modified"])
def test_biopython_reads_the_sequences(files, name):
    proteins = sorted((c for c in build_assembly(TARGETS[name]).chains if c.kind == "protein"), key=lambda c: c.id)
    expected = ["".join(residue.one_letter_code for residue in chain.residues) for chain in proteins]
    found = [str(record.seq) for record in SeqIO.parse(files[name], "cif-seqres")]
    assert found == expected


def test_a_glycan_is_branched(files):
    block = gemmi.cif.read(str(files["glycan"])).sole_block()
    links = block.find("_pdbx_entity_branch_link.", ["entity_branch_list_num_1", "atom_id_1", "leaving_atom_id_1"])
    assert [list(row) for row in links] == [["1", "O4", "HO4"], ["2", "O4", "HO4"]]
    links = block.find("_pdbx_entity_branch_link.", ["entity_branch_list_num_2", "atom_id_2", "leaving_atom_id_2"])
    assert [list(row) for row in links] == [["2", "C1", "O1"], ["3", "C1", "O1"]]
    assert len(block.find("_pdbx_branch_scheme.", ["num"])) == 3


def test_charges_are_numbers_or_not_there(files):
    blocks = {name: gemmi.cif.read(str(path)).sole_block() for name, path in files.items()}
    charges = {name: list(block.find_values("_atom_site.pdbx_formal_charge")) for name, block in blocks.items()}
    assert not charges["monomer"]
    assert set(charges["complex"]) == {"0", "2"}
    assert set(charges["modified"]) == {"0", "-1"}


def problems(dictionaries, text):
    said = []
    ddl = gemmi.cif.Ddl(logger=said.append, print_unknown_tags=True, use_context=False, use_linked_groups=False)
    for dictionary in dictionaries:
        ddl.read_ddl(gemmi.cif.read(str(dictionary)))
    ddl.validate_cif(gemmi.cif.read_string(text))
    return said


@pytest.mark.shared
@pytest.mark.skipif(not PDBX.is_file(), reason="PDBx's dictionary is not there: apt-get install libcifpp-data")
@pytest.mark.parametrize("name", TARGETS)
def test_it_is_valid_by_the_dictionaries(files, shared, name):
    dictionaries = (PDBX, shared / "data/modelcif/mmcif_ma_ext.dic")
    text = files[name].read_text()
    assert problems(dictionaries, text) == []
    # What is wrong would be said.
    assert problems(dictionaries, text.replace("'Ab initio model'", "'A fine model'"))
    assert problems(dictionaries, text.replace("_ma_data.content_type", "_ma_data.contents"))
