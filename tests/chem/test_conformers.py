import numpy as np
import pytest

from pfold.chem.components import component
from pfold.chem.conformers import reference_conformer
from pfold.chem.residues import PROTEIN_ONE_TO_THREE
from pfold.errors import InputError


def test_component_of_the_dictionary():
    ser = component("SER")
    assert list(ser.atom_name[ser.heavy]) == ["N", "CA", "C", "O", "CB", "OG", "OXT"]
    assert list(ser.atom_name[ser.leaving & ser.heavy]) == ["OXT"]
    assert ser.one_letter_code == "S"
    assert ("C", "O", "DOUB") in {(ser.atom_name[i], ser.atom_name[j], o) for i, j, o in ser.bonds}
    assert component("LYS").charge.sum() == 1


def test_unknown_component_is_an_error():
    with pytest.raises(InputError, match='"QQQQ" is not a component of the Chemical Component Dictionary'):
        component("QQQQ")


@pytest.mark.parametrize("code", list(PROTEIN_ONE_TO_THREE.values()))
def test_conformers_of_residues_have_sound_geometry(code):
    positions, valid = reference_conformer(component(code))
    comp = component(code)
    assert valid.all()
    for i, j, _ in comp.bonds:
        length = np.linalg.norm(positions[i] - positions[j])
        limit = (0.8, 1.2) if "H" in (comp.element[i], comp.element[j]) else (1.15, 1.95)
        # S-H bonds are longer than other bonds to hydrogen.
        assert limit[0] < length < limit[1] + 0.25 * ("S" in (comp.element[i], comp.element[j]))


def test_residues_are_left_handed():
    for code in set(PROTEIN_ONE_TO_THREE.values()) - {"GLY", "UNK"}:
        comp = component(code)
        positions, _ = reference_conformer(component(code))
        n, ca, c, cb = (positions[list(comp.atom_name).index(name)] for name in ("N", "CA", "C", "CB"))
        assert np.dot(np.cross(n - ca, c - ca), cb - ca) > 0, code


def test_conformers_are_repeatable():
    first = reference_conformer(component("ARG"))[0]
    reference_conformer.cache_clear()
    assert np.array_equal(first, reference_conformer(component("ARG"))[0])
