"""The demonstration's targets: what they are made of, and the known structures that they are compared with."""

import re
import subprocess
import sys

import pandas as pd
import pytest

from pfold.evaluation.pairing import read_chains
from pfold.evaluation.tables import known_structure
from pfold.targets.read import read_records
from tests.conftest import DEMO, SHARED

RECALLED = DEMO / "recalled.fasta"
# What a record says after its PDB entry, and the split that this means.
KINDS = {"trained on": "train", "point mutant": "train", "never seen": "validation"}


def sequences() -> dict[str, str]:
    return {target.name: target.entities[0].sequence for target in read_records(RECALLED)}


def test_the_demo_database_is_what_its_script_makes():
    made = subprocess.run([sys.executable, str(DEMO / "make_database.py")], capture_output=True, text=True, check=True)
    assert made.stdout == (DEMO / "database.fasta").read_text()
    assert made.stdout.count(">") == 364


def test_every_target_has_a_known_structure_and_a_mutant_that_of_its_parent():
    found = sequences()
    assert len(found) == len(list((DEMO / "known").iterdir())) == 12
    for name, sequence in found.items():
        (chain,) = read_chains(known_structure(DEMO / "known", name))
        differing = [f"{a}{i}{b}" for i, (a, b) in enumerate(zip(chain.sequence, sequence, strict=True), 1) if a != b]
        assert differing == re.findall(r"_([A-Z]\d+[A-Z])$", name), name


@pytest.mark.shared
def test_targets_are_of_the_split_that_the_file_says():
    table = pd.read_csv(SHARED / "data/structures/index.csv")
    headers = re.findall(r"^>(\S+) (\w{4}), (.*)$", RECALLED.read_text(), re.MULTILINE)
    assert [name for name, _, _ in headers] == list(sequences())
    assert {kind for _, _, kind in headers} == set(KINDS)
    for name, pdb, kind in headers:
        length = len(sequences()[name])
        assert ((table.pdb == pdb) & (table.n_residue == length) & (table.split == KINDS[kind])).any(), name
