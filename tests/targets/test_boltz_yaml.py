import pytest

from pfold.targets.read import read_records
from pfold.targets.types import AtomRef, Bond, Contact, Modification, Pocket, Rejection, TemplateStructure

HEAD = "version: 1\nsequences:\n  - protein: {id: [A, B], sequence: MKTAYI}\n"


def read(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return next(iter(read_records(path)))


def test_every_part_of_an_input(tmp_path):
    (tmp_path / "a.a3m").write_text(">q\nMKTAYI\n")
    (tmp_path / "t.cif").write_text("data_x\n")
    target = read(
        tmp_path,
        """
version: 1
sequences:
  - protein: {id: [A, B], sequence: MKTAYI, msa: a.a3m, modifications: [{position: 2, ccd: MLY}]}
  - protein: {id: C, sequence: GGG, msa: empty}
  - dna: {id: D, sequence: GATT}
  - rna: {id: R, sequence: GGCU}
  - ligand: {id: [L, M], smiles: CCO}
  - ligand: {id: X, ccd: SAH}
constraints:
  - bond: {atom1: [A, 1, N], atom2: [X, 1, C]}
  - contact: {token1: [A, 2], token2: [C, 3], max_distance: 9}
  - pocket: {binder: L, contacts: [[A, 1], [X, N1]]}
templates:
  - {cif: t.cif, chain_id: A, template_id: Q}
  - {cif: t.cif}
""",
    )
    first, alone, dna, rna, smiles, sah = target.entities
    assert target.name == "job"
    assert (first.unpaired_msa, first.modifications) == (tmp_path / "a.a3m", (Modification(2, "MLY"),))
    assert first.templates == (TemplateStructure(tmp_path / "t.cif"), TemplateStructure(tmp_path / "t.cif", "Q"))
    assert (alone.unpaired_msa, alone.has_own_msa) == ("", True)
    assert (dna.kind, rna.kind, rna.templates, smiles.ids, sah.codes) == ("dna", "rna", None, ("L", "M"), ("SAH",))
    assert target.bonds == (Bond(AtomRef("A", 1, "N"), AtomRef("X", 1, "C")),)
    assert target.contacts == (Contact(AtomRef("A", 2), AtomRef("C", 3), 9.0),)
    assert target.pockets == (Pocket("L", (AtomRef("A", 1), AtomRef("X", 1, "N1")), 6.0),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\nsequences: []\n", '"version" is 2'),
        (HEAD + "properties: [{affinity: {binder: B}}]\n", "pfold predicts no affinities"),
        (HEAD + "constraints:\n  - pocket: {binder: B, contacts: [[A, 1]], force: true}\n", "no steering potentials"),
        (HEAD + "constraints:\n  - pocket: {binder: B}\n", '"binder" and "contacts" are needed'),
        (HEAD + "constraints:\n  - hinge: {}\n", '"hinge" is no constraint'),
        (HEAD + "constraints:\n  - contact: {token1: A, token2: [B, 1]}\n", "'A' is not a token"),
        (HEAD + "  - protein: {id: C, sequence: GG, cyclic: true}\n", '"cyclic" is not supported'),
        (HEAD + "  - protein: {id: C, sequence: GG, msa: a.csv}\n", ".csv alignments are not supported"),
        (HEAD + "  - protein: {id: C, sequence: GG, msa: gone.a3m}\n", "gone.a3m does not exist"),
        (HEAD + "  - ligand: {id: C}\n", 'give either "smiles" or "ccd"'),
        (HEAD + "  - protein: {sequence: GG}\n", '"id" is missing'),
        (HEAD + "templates: [{cif: gone.cif}]\n", "gone.cif does not exist"),
        (HEAD + "sequence: x\n", 'the key "sequence" is not supported; did you mean "sequences"?'),
        ("version: [1\n", "the YAML can't be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    found = read(tmp_path, text)
    assert isinstance(found, Rejection)
    assert message in found.reason
