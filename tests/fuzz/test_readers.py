"""Whatever a file holds, its reader gives a target or says what is wrong: nothing but InputError ever comes out.

Valid files are changed at random, by the byte and by the value. FUZZ_EXAMPLES is the number of cases of each test: 300
in the usual run, seeded; `make fuzz` takes thousands, and others each time.
"""

import contextlib
import copy
import json
import logging
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfold.chem.components import component
from pfold.chem.ligands import smiles_residue
from pfold.config import load_config
from pfold.errors import ConfigError, InputError, SearchError, WeightsError
from pfold.features.featurize import assemble
from pfold.features.tokens import count_tokens
from pfold.msa.a3m import parse_a3m, to_arrays
from pfold.msa.check_fasta import check_fasta
from pfold.msa.engines.colabfold_server import _read_answer
from pfold.targets.read import read_records
from pfold.targets.table import Counted, collect_targets
from pfold.targets.types import Rejection, Target
from pfold.templates.hits import parse_hhr, parse_hit_a3m
from pfold.templates.structures import read_template_chain
from pfold.weights.torch_file import read_torch_file
from tests.fuzz.valid import AF3, BOLTZ, BOLTZ_FASTA, CIF, CONFIG, FASTA, HHR, PROTENIX
from tests.targets.test_structure_file import PDB
from tests.test_odd_records import CARBONS, SEQUENCE
from tests.test_odd_records import component as user_component
from tests.weights.torch_files import torch_save

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
# Seconds that a record may take at most.
MAX_SECONDS = 60
bounded = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "~nobody/x", "A" * 5000, "²", "\0", "[H]", "CCD_", "FILE_", "FILE_x.sdf", "C" * 600, "a\nb"]
    ),
    st.lists(st.integers(-2, 3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def places(value, path=()):
    """Paths of all values within a JSON-like value."""
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += places(child, (*path, key))
    return found


@st.composite
def changed_value(draw, document):
    """A JSON-like document with some of its values replaced, dropped or renamed."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(document)))
        node = document
        for key in parents:
            node = node[key]
        match draw(st.sampled_from(["replace", "replace", "drop", "rename", "repeat"])):
            case "drop":
                del node[last]
            case "rename" if isinstance(node, dict):
                node[draw(st.text(max_size=8))] = node.pop(last)
            case "repeat" if isinstance(node, list):
                node.append(copy.deepcopy(node[last]))
            case _:
                node[last] = draw(odd_values)
        if not places(document):
            break
    return document


@st.composite
def changed_text(draw, text):
    """A text with some of its bytes changed, removed, doubled or put in."""
    content = bytearray(text.encode())
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["set", "insert", "cut", "double", "truncate"])):
            case "set" if content:
                content[at] = draw(st.integers(0, 255))
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del content[at : at + draw(st.integers(1, 20))]
            case "double":
                content[at:at] = content[at : at + draw(st.integers(1, 40))]
            case "truncate":
                del content[at:]
    return bytes(content)


@contextlib.contextmanager
def refusing(kind):
    """What happens within may be refused by an error of this kind, with a message, and of no other."""
    try:
        yield
    except kind as error:
        if not str(error):
            raise AssertionError("an error without a message") from error


class Unexpected(logging.Handler):
    """Keeps what the boundary of a record had to catch that was no InputError."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def emit(self, record):
        if record.exc_info and isinstance(record.exc_info[1], BaseException):
            self.errors.append(record.exc_info[1])


def check_file(name, content):
    """Read a file as the stage of targets does; returns its records."""
    watch = Unexpected()
    logger = logging.getLogger("pfold")
    logger.addHandler(watch)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            records = collect_targets(read_records(path), count_tokens, max_tokens=300)
        finally:
            logger.removeHandler(watch)
        assert not watch.errors, watch.errors
        for record in records:
            if isinstance(record, Counted):
                check_features(record.target)
    assert time.monotonic() - start < MAX_SECONDS
    assert records
    for record in records:
        if isinstance(record, Rejection):
            assert f"{record.name}\t{record.reason}\t{record.source}".encode()
            assert record.reason
    return records


def check_features(target: Target):
    with refusing(InputError):
        assemble(target)


@bounded
@given(changed_value(PROTENIX))
def test_protenix_json(document):
    good = {"name": "good", "sequences": [{"proteinChain": {"sequence": SEQUENCE, "count": 1}}]}
    jobs = document if isinstance(document, list) else [document]
    records = check_file("x.json", json.dumps([*jobs, good]).encode("utf-8", "surrogatepass"))
    assert isinstance(records[-1], Counted) or "used before" in records[-1].reason


@bounded
@given(changed_value(AF3))
def test_alphafold3_json(document):
    check_file("x.json", json.dumps(document).encode("utf-8", "surrogatepass"))


@bounded
@given(changed_value(BOLTZ))
def test_boltz_yaml(document):
    check_file("x.yaml", json.dumps(document).encode("utf-8", "surrogatepass"))


@bounded
@given(st.sampled_from([json.dumps(PROTENIX), json.dumps(AF3)]).flatmap(changed_text))
def test_json_text(content):
    check_file("x.json", content)


@bounded
@given(changed_text("version: 1\nsequences:\n- protein: &p {id: A, sequence: MKT}\n- ligand: {id: B, smiles: CC}\n"))
def test_yaml_text(content):
    check_file("x.yaml", content)


@bounded
@given(st.sampled_from([FASTA, BOLTZ_FASTA]).flatmap(changed_text))
def test_fasta(content):
    check_file("x.fasta", content)


@bounded
@given(changed_text(FASTA))
def test_a_good_fasta_record_behind_a_bad_one(content):
    records = check_file("x.fasta", content + b"\n>good_record\nMKTAYIAKQR\n")
    assert any(isinstance(r, Counted) and r.target.name == "good_record" for r in records) or not isinstance(
        next(iter(read_again(content))), Target
    )


def read_again(content):
    """Records of a file whose reader may give up as a whole: no text, or one complex of many molecules."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.fasta"
        path.write_bytes(content + b"\n>good_record\nMKTAYIAKQR\n")
        return list(read_records(path))


@bounded
@given(changed_text(PDB))
def test_pdb(content):
    check_file("x.pdb", content)


@bounded
@given(changed_text(CIF))
def test_mmcif(content):
    check_file("x.cif", content)


@bounded
@given(changed_text(json.loads(user_component(CARBONS, ["C1 C2 SING", "C2 O1 SING"]))["userCCD"]))
def test_components(content):
    with refusing(InputError):
        found = component("ODD", content.decode("utf-8", "replace"))
        assert len(found.atom_name) == len(found.element)


@bounded
@given(changed_text(f">q\n{SEQUENCE}\n>sp|P12345|X_HUMAN\nMKT-YIAkkKQR\n>c\nMK..TAYIAKQR\n"))
def test_a3m(content):
    with refusing(InputError):
        alignment = parse_a3m(content.decode("utf-8", "replace").splitlines(), SEQUENCE, "x.a3m")
        msa, deletions = to_arrays(alignment)
        assert msa.shape == deletions.shape == (len(alignment), len(SEQUENCE))


@bounded
@given(changed_text(HHR), changed_text(">1abc_A/1-10 [subseq] mol:protein length:10 X\nMKTAYIAKQR\n"))
def test_template_hits(hhr, a3m):
    for parse, content in ((parse_hhr, hhr), (parse_hit_a3m, a3m)):
        with refusing(InputError):
            assert isinstance(parse(content.decode("ascii", "replace"), "x"), list)


@bounded
@given(changed_text(CIF), st.sampled_from(["", "A", "é"]))
def test_template_structures(content, chain):
    with refusing(InputError):
        found = read_template_chain(content.decode("utf-8", "replace"), chain)
        assert found.positions.shape == (len(found.sequence), 37, 3)


@bounded
@given(st.text("CNOSPFH[]()=#+-123@/\\.clBr%", max_size=30))
def test_smiles(smiles):
    with refusing(InputError):
        assert len(smiles_residue(smiles).atom_name) > 0


@bounded
@given(changed_value(CONFIG))
def test_configuration(document):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(json.dumps(document).encode("utf-8", "surrogatepass"))
        with refusing(ConfigError):
            assert load_config(path).model.name


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("pt") / "x.pt"
    torch_save(path, {"a.weight": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float32)})
    return path.read_bytes()


@bounded
@given(data=st.data())
def test_checkpoints(checkpoint, data):
    content = bytearray(checkpoint)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        path.write_bytes(content)
        with refusing(WeightsError):
            for array in read_torch_file(path).values():
                assert np.isfinite(array.sum()) or array.size


@bounded
@given(st.binary(max_size=300))
def test_answers_of_a_server(content):
    with refusing(SearchError):
        assert _read_answer(content, "server")


@bounded
@given(changed_text(">a\nMKTAYIAKQR\n>b\nMKTAYIAKQRSS\n"), st.sampled_from(["protein", "rna"]))
def test_databases(content, kind):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db.fasta"
        path.write_bytes(content)
        with refusing(ConfigError):
            check_fasta(path, "search.databases", kind)
