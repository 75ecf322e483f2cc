"""One target is one target: every odd record is a row with its reason, and the good record beside it is folded."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from pfold.cli import main
from pfold.run import batch as batches
from tests.runs import StandInModel, write_fasta
from tests.targets.test_structure_file import PDB

SEQUENCE = "MKTAYIAKQR"
GOOD = {"proteinChain": {"sequence": SEQUENCE, "count": 1}}


def job(name="odd", *, sequences=(GOOD,), **more):
    return json.dumps([{"name": name, "sequences": list(sequences), **more}])


def chain(**more):
    return job(sequences=[{"proteinChain": {"sequence": SEQUENCE, "count": 1, **more}}])


def ligand(value, **more):
    return job(sequences=[GOOD, {"ligand": {"ligand": value, "count": 1}}], **more)


def af3(**protein):
    inner = {"id": "A", "sequence": SEQUENCE, **protein}
    content = {"dialect": "alphafold3", "version": 1, "name": "odd", "modelSeeds": [1]}
    return json.dumps(content | {"sequences": [{"protein": inner}]})


def component(atoms, bonds=(), columns="atom_id_1 atom_id_2 value_order"):
    """An AlphaFold 3 input with a ligand of a user's own component."""
    text = "data_ODD\n_chem_comp.id ODD\n_chem_comp.type non-polymer\nloop_\n"
    for name in ("atom_id", "type_symbol", *(f"pdbx_model_Cartn_{axis}_ideal" for axis in "xyz")):
        text += f"_chem_comp_atom.{name}\n"
    text += "".join(f"{name} {element} {i}.0 0.0 0.0\n" for i, (name, element) in enumerate(atoms))
    if bonds:
        text += "loop_\n" + "".join(f"_chem_comp_bond.{c}\n" for c in columns.split())
        text += "".join(f"{bond}\n" for bond in bonds)
    content = json.loads(af3())
    content["sequences"].append({"ligand": {"id": "L", "ccdCodes": ["ODD"]}})
    return json.dumps(content | {"userCCD": text})


def bond(*atoms):
    """Bonds from each atom of the first residue to the next."""
    where = {"entity1": 1, "copy1": 1, "position1": 1, "entity2": 1, "copy2": 1, "position2": 1}
    return job(covalent_bonds=[where | {"atom1": a, "atom2": b} for a, b in pairwise(atoms)])


CARBONS = [("C1", "C"), ("C2", "C"), ("O1", "O")]
DEEP = "[" * 100_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

# File -> (content, what the table says).
ODD: dict[str, tuple[str | bytes, str]] = {
    "deep.json": (DEEP, "the JSON can't be read: nested too deeply"),
    "deep.yaml": ("a: " + DEEP, "the YAML can't be read: it is nested too deeply"),
    "bomb.yaml": (BOMB, "it stands for over 1000000 values"),
    "itself.yaml": ("sequences: &a [*a]", "a value holds itself"),
    "twice.yaml": ("version: 1\nversion: 1\n", 'the key "version" stands there twice'),
    "digits.json": (job().replace('"count": 1', f'"count": {"9" * 5000}'), "the JSON can't be read: Exceeds the limit"),
    "digits.yaml": (f"version: {'9' * 5000}", "Exceeds the limit"),
    "square.json": (chain(count="²"), "\"count\" is '²', not a whole number above 0"),
    "seeds.json": (job(modelSeeds=["²"]), "\"modelSeeds\" is not a list of whole numbers: '²'"),
    "many.json": (chain(count=10**9), '"count" is 1000000000, over the limit of 10000'),
    "copies.json": (ligand("CCO").replace('"count": 1', '"count": 9999'), "tokens are over the limit of"),
    "surrogate.json": (job("x\ud800"), "has a character that can't be printed"),
    "surrogate_path.json": (chain(unpairedMsaPath="x\ud800"), "which is not the path of a file"),
    "newline.json": (job("x\n;\nloop_\n_evil.a\n1\n"), "has a character that can't be printed"),
    "null.json": (job(None), 'the job has no "name", or it is no text: None'),
    "list.json": (job(["a"]), "the job has no \"name\", or it is no text: ['a']"),
    "a3m_text.json": (chain(unpairedMsaPath=f">q\n{SEQUENCE}\n"), "does not exist"),
    "long_path.json": (chain(unpairedMsaPath="A" * 5000), "which is not the path of a file"),
    "nobody.json": (chain(unpairedMsaPath="~nosuchuser/x"), "which is not the path of a file"),
    "number.json": (chain(unpairedMsaPath=7), '"unpairedMsaPath" is 7, not the path of a file'),
    "file_ligand.json": (ligand("FILE_" + "A" * 5000), "which is not the path of a file"),
    "nul.json": (ligand("FILE_a\0.sdf"), "which is not the path of a file"),
    "msa.yaml": (
        f"sequences: [{{protein: {{id: A, sequence: {SEQUENCE}, msa: {'A' * 5000}}}}}]",
        "which is not the path of a file",
    ),
    "boltz.fasta": (f">A|protein|~nosuchuser/x\n{SEQUENCE}\n", "which is not the path of a file"),
    "chain_id.json": (chain(id=["A\nB"]), "is no chain id"),
    "nan.json": (
        job(
            sequences=[GOOD, GOOD],
            constraint={
                "contact": [
                    {"entity1": 1, "copy1": 1, "position1": 1, "entity2": 2, "copy2": 1, "position2": 1}
                    | {"max_distance": float("nan")}
                ]
            },
        ),
        '"max_distance" is nan, not a distance in Å',
    ),
    "hydrogen.json": (ligand("[H]"), 'the SMILES "[H]" has no atom but hydrogen'),
    "hydrogens.json": (ligand("[H][H]"), 'the SMILES "[H][H]" has no atom but hydrogen'),
    "large.json": (ligand("C" * 2000), "2000 heavy atoms, over 400"),
    "larger.json": (ligand("C" * 200_000), "the SMILES has 200000 characters"),
    "unx.json": (ligand("CCD_UNX"), 'the element "X" of atom UNK is unknown'),
    "absent.json": (component(CARBONS, ["C1 C9 SING"]), 'has a bond to "C9", which is none of its atoms'),
    "no_order.json": (
        component(CARBONS, ["C1 C2"], "atom_id_1 atom_id_2"),
        "_chem_comp_bond needs atom_id_1, atom_id_2 and value_order",
    ),
    "element.json": (component([*CARBONS, ("Q1", "Qq")]), 'the element "QQ" of atom Q1 is unknown'),
    "same_name.json": (component([*CARBONS, ("C1", "C")]), "has atoms of one name: C1"),
    "self_bond.json": (component(CARBONS, ["C1 C1 SING"]), "binds atom C1 to itself"),
    "itself.json": (bond("CA", "CA"), "a bond joins atom CA of chain A, residue 1, to itself"),
    "bond_twice.json": (
        bond("CA", "CB", "CA"),
        "the bond between CB of chain A, residue 1, and CA of chain A, residue 1, is given twice",
    ),
    "star.json": (chain(unpairedMsa=f">q\n{SEQUENCE}\n>b\nMKTAYIAKQ*\n"), "row 2 (\"b\"): '*' is no letter of an a3m"),
    "digit.json": (chain(unpairedMsa=f">q\n{SEQUENCE}\n>b\nMKTAYIAKQ1\n"), "'1' is no letter of an a3m"),
    "tilde.json": (chain(unpairedMsa=f">q\n{SEQUENCE}\n>b\nMKTAYIAKQ~\n"), "'~' is no letter of an a3m"),
    "a3m_nul.json": (chain(unpairedMsa=f">q\n{SEQUENCE}\n>b\nMKTAYIAKQ\0\n"), "'\\x00' is no letter of an a3m"),
    "umlaut.json": (chain(unpairedMsa=f">q\n{SEQUENCE}\n>b\nMKTAYIAKQÄ\n"), "'\\xc4' is no letter of an a3m"),
    "mmcif_number.json": (
        af3(templates=[{"mmcif": 7, "queryIndices": [0], "templateIndices": [0]}]),
        '"mmcif" is missing or empty',
    ),
    "mmcif_list.json": (
        af3(templates=[{"mmcif": ["x"], "queryIndices": [0], "templateIndices": [0]}]),
        '"mmcif" is missing or empty',
    ),
    "blank.pdb": (PDB.replace(" A ", "   ").replace(" B ", "   "), ""),
    "empty.json": ("[]", "the file has no record in it"),
    "comments.fasta": ("; nothing\n;but comments\n", "the file has no record in it"),
    "binary.fasta": (bytes(range(256)), "the file can't be read"),
    "bomb.fasta.gz": (gzip.compress(b"\n" * (1 << 29) + b">"), "it has over 512 MiB unpacked"),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The summary of a run over all odd files and a good one, each in a folder of inputs."""
    folder = tmp_path_factory.mktemp("odd")
    inputs = folder / "inputs"
    inputs.mkdir()
    for name, (content, _) in ODD.items():
        if isinstance(content, str):
            content = content.replace('"odd"', json.dumps(name)).encode("utf-8", "surrogatepass")
        (inputs / name).write_bytes(content)
    write_fasta(inputs / "good.fasta", good=SEQUENCE, bad="MK1", neighbour="GGGSSGGG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "load_model", lambda *_: StandInModel())
        model = ["--model", "protenix_base_constraint_v0.5.0", "--weights", "untrained"]
        main(["fold", str(inputs), "--results", str(folder / "results"), *model, "--set", "esm_weights=untrained"])
    return pd.read_csv(folder / "results/summary.csv").fillna("")


def test_the_good_records_beside_them_are_folded(table):
    assert set(table.name[table.status == "done"]) >= {"good", "neighbour"}
    assert table[table.name == "bad"].status.tolist() == ["rejected"]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_record_is_a_row_with_its_reason(table, name):
    rows = table[table.source.str.contains(f"/{name}", regex=False)]
    assert len(rows) >= 1, table[["name", "status", "source"]]
    message = ODD[name][1]
    if message:
        assert rows.status.isin(["rejected", "failed"]).all()
        assert message in rows.reason.iloc[0]
        assert "Traceback" not in rows.reason.iloc[0]
    assert len(rows.reason.iloc[0]) < 3000


def test_names_of_any_length_are_converted(tmp_path):
    (tmp_path / "l.sdf").write_text(Path(__file__).with_name("data").joinpath("ethanol.sdf").read_text())
    (tmp_path / "long.json").write_text(ligand("FILE_l.sdf").replace('"odd"', f'"{"x" * 300}"'))
    assert main(["convert", str(tmp_path / "long.json"), str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text())[0]["name"] == "x" * 300
