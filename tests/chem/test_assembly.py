import gemmi
import numpy as np
import pytest

from pfold.chem.assembly import build_assembly, build_residue
from pfold.chem.components import component, use_components
from pfold.chem.ligands import molecule_residue, smiles_residue
from pfold.errors import ConfigError, InputError
from pfold.features.tokens import count_tokens
from pfold.targets.types import AtomRef, Bond, Contact, Entity, Modification, Target


def polymer(kind: str, sequence: str, *modified: tuple[int, str]) -> Target:
    return Target("t", (Entity(kind, sequence, ("A",), modifications=tuple(Modification(*m) for m in modified)),))


def names(target: Target, residue: int) -> set[str]:
    return set(build_assembly(target).chains[0].residues[residue].atom_name.tolist())


def test_leaving_atoms_stay_at_the_ends_only():
    assert "OXT" not in names(polymer("protein", "GG"), 0)
    assert "OXT" in names(polymer("protein", "GG"), 1)
    assert "OP3" in names(polymer("dna", "GA"), 0)
    assert "OP3" not in names(polymer("rna", "GA"), 1)


def test_a_bond_takes_its_leaving_group():
    glycan = Entity("ligand", "", ("B",), codes=("NAG", "NAG"))
    bonds = (
        Bond(AtomRef("A", 2, "ND2"), AtomRef("B", 1, "C1")),
        Bond(AtomRef("B", 1, "O4"), AtomRef("B", 2, "C1")),
    )
    assembly = build_assembly(Target("t", (*polymer("protein", "GNG").entities, glycan), bonds=bonds))
    first, second = assembly.chains[1].residues
    assert "O1" not in first.atom_name
    assert "O1" not in second.atom_name
    assert "O4" in first.atom_name
    free = build_assembly(Target("t", (glycan,))).chains[0].residues[0]
    assert "O1" in free.atom_name
    assert len(assembly.bonds) == 2


def test_selenomethionine_is_methionine():
    residue = build_assembly(polymer("protein", "GMG", (2, "MSE"))).chains[0].residues[1]
    assert (residue.code, residue.is_standard) == ("MET", True)
    assert "SD" in residue.atom_name
    assert "SE" not in residue.element
    assert count_tokens(polymer("protein", "GMG", (2, "MSE"))) == 3


def test_caps_are_bound_to_their_neighbours():
    assembly = build_assembly(polymer("protein", "XGGX", (1, "ACE"), (4, "NME")))
    assert assembly.bonds == (((0, 0, 0), (0, 1, 0)), ((0, 2, 2), (0, 3, 0)))
    assert count_tokens(polymer("protein", "XGGX", (1, "ACE"), (4, "NME"))) == 3 + 2 + 2


def test_tokens_are_residues_or_atoms():
    sep = polymer("protein", "GSG", (2, "SEP"))
    assert count_tokens(sep) == 1 + 10 + 1
    assert count_tokens(polymer("dna", "GATTX")) == 5
    assert count_tokens(polymer("rna", "GI")) == 1 + 22
    ligand = Entity("ligand", "", ("B", "C"), smiles="CCO")
    assert count_tokens(Target("t", (*sep.entities, ligand))) == 12 + 6
    other = Entity("protein", "GK", ("B",))
    contact = Contact(AtomRef("A", 1, "CA"), AtomRef("B", 2, "NZ"), 5.0)
    assert count_tokens(Target("t", (*polymer("protein", "GA").entities, other), contacts=(contact,))) == 4 + 1 + 1 + 10


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (polymer("protein", "GG", (5, "SEP")), "the modification SEP is at position 5, but the chain has 2 residues"),
        (polymer("protein", "GG", (1, "QQQQ")), '"QQQQ" is not a component of the Chemical Component Dictionary'),
        (Target("t", (Entity("ligand", "", ("A",), smiles="C(("),)), r'the SMILES "C\(\(" can\'t be read'),
        (Target("t", (Entity("ligand", "", ("A",), codes=("UNL",)),)), "has no heavy atoms"),
    ],
)
def test_what_cannot_be_built_is_named(target, message):
    with pytest.raises(InputError, match=message):
        build_assembly(target)
    with pytest.raises(InputError, match=message):
        count_tokens(target)


def test_atoms_of_smiles_are_named_and_numbered_as_in_the_reference():
    residue = smiles_residue("CC(=O)[O-]")
    assert residue.atom_name.tolist() == ["C1", "C2", "O1", "O2"]
    assert residue.charge.tolist() == [0, 0, 0, -1]
    assert (residue.atom("1"), residue.atom("O2"), residue.atom("9")) == (1, 3, -1)
    mapped = smiles_residue("[CH3:7]C[OH:8]")
    assert (mapped.atom("7"), mapped.atom("8")) == (0, 2)
    smiles_residue.cache_clear()
    assert np.array_equal(residue.ref_pos, smiles_residue("CC(=O)[O-]").ref_pos)
    with pytest.raises(InputError, match="mol block can't be read"):
        molecule_residue("nonsense")


OWN = """
data_Q0Q0Q
_chem_comp.id Q0Q0Q
_chem_comp.type non-polymer
_chem_comp.one_letter_code ?
loop_
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.charge
_chem_comp_atom.pdbx_leaving_atom_flag
_chem_comp_atom.pdbx_model_Cartn_x_ideal
_chem_comp_atom.pdbx_model_Cartn_y_ideal
_chem_comp_atom.pdbx_model_Cartn_z_ideal
C1 C 0 N 0.0 0.0 0.0
O1 O -1 N 1.4 0.0 0.0
loop_
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
C1 O1 SING
"""


def test_own_components_go_before_the_dictionary(tmp_path):
    path = tmp_path / "components.cif"
    path.write_text(OWN + OWN.replace("Q0Q0Q", "ATP"))
    with pytest.raises(InputError, match="not a component"):
        component("Q0Q0Q")
    atp = Target("t", (Entity("ligand", "", ("A",), codes=("ATP",)),))
    assert count_tokens(atp) == 31
    use_components(path)
    try:
        assert count_tokens(atp) == 2
        assert component("Q0Q0Q").atom_name.tolist() == ["C1", "O1"]
        assert component("Q0Q0Q").charge.tolist() == [0, -1]
        assert len(component("ATP").atom_name) == 2
        assert len(component("ADP").atom_name) > 40
    finally:
        use_components(None)
    assert len(component("ATP").atom_name) > 40
    assert count_tokens(atp) == 31
    ligand = Entity("ligand", "", ("A",), codes=("Q0Q0Q",))
    assert count_tokens(Target("t", (ligand,), components=OWN)) == 2
    with pytest.raises(ConfigError, match=r"gone\.cif can't be read"):
        use_components(tmp_path / "gone.cif")


def test_own_components_without_atoms_are_refused():
    with pytest.raises(InputError, match='the component "EMP" has no atoms'):
        component("EMP", "data_EMP\n_chem_comp.id EMP\n")
    assert gemmi.cif.read_string(OWN).sole_block().name == "Q0Q0Q"


def test_residues_without_a_link_lose_their_leaving_atoms():
    # ATP in a protein chain can be joined to neither neighbour.
    residues = build_assembly(polymer("protein", "GXG", (2, "ATP"))).chains[0].residues
    assert "OXT" not in residues[0].atom_name
    assert "OXT" in residues[2].atom_name
    assert "OXT" in build_residue("GLY", last=True).atom_name
