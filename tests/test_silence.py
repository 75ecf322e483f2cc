"""Where pfold used to go on without a word, or to stop without a good one."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pfold.cli import main
from tests.conftest import REPOSITORY
from tests.runs import write_fasta

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"
TINY = ["--model", "protenix_tiny_default_v0.5.0", "--weights", "untrained"]


pytestmark = pytest.mark.usefixtures("stand_in_here")


@pytest.fixture
def said(capsys):
    """What a command has written to stderr."""
    return lambda: capsys.readouterr().err


def fold(*arguments: str) -> int:
    return main(["fold", *arguments, *TINY])


def summary() -> pd.DataFrame:
    return pd.read_csv("results/summary.csv").drop_duplicates("name").set_index("name")


def test_a_fold_without_a_search_says_so_first_last_and_in_the_table(said):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    assert fold("p.fasta") == 0
    lines = said().splitlines()
    assert "NO ALIGNMENTS ARE SEARCHED" in lines[0]
    assert "NO ALIGNMENTS ARE SEARCHED" in lines[-1]
    assert "results: results/summary.csv" in lines[-2]
    assert summary().search["a"] == "none"


def test_fold_takes_the_options_of_the_configuration(said):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    write_fasta(Path("db.fasta"), hit=SEQUENCE.replace("Q", "E"))
    Path("sub").mkdir()
    Path("sub/c.yaml").write_text(
        "targets: nothing.fasta\nn_cycle: 3\nsearch: {databases: [../db.fasta], max_hits: 7}\n"
    )
    assert fold("p.fasta", "--config", "sub/c.yaml", "--n_step", "4", "--set", "search.e_value=1e-3") == 0
    assert "NO ALIGNMENTS" not in said()
    keys = json.loads(Path("results/receipts/configuration.json").read_text())["keys"]
    assert keys["targets"] == ["p.fasta"]
    assert keys["search"] == {"databases": ["db.fasta"], "max_hits": 7, "e_value": 1e-3}
    settings = json.loads(Path("results/predictions/a/result.json").read_text())["settings"]
    assert (settings["n_cycle"], settings["n_step"]) == (3, 4)
    assert summary().search["a"] == "jackhmmer"
    assert summary().n_msa["a"] == 2
    assert fold("p.fasta", "--engine", "colabfold_server") == 2
    assert "search.server is not the address of one" in said()
    assert fold("p.fasta", "--set", "search.max_hit=3") == 2
    assert 'the key "search.max_hit" is unknown; did you mean "max_hits"?' in said()
    assert fold("p.fasta", "--set", "keep") == 2
    assert "write it as KEY=VALUE" in said()


def test_the_number_of_rows_is_what_was_found(said):
    write_fasta(Path("p.fasta"), one=SEQUENCE, two=f"{SEQUENCE}:{SEQUENCE}", both=f"{SEQUENCE}:GGGSSGGGSS")
    assert fold("p.fasta") == 0
    assert summary().n_msa.to_dict() == {"one": 1, "two": 1, "both": 1}


def test_no_homologs_is_a_warning_with_the_targets_name(said):
    write_fasta(Path("p.fasta"), lonely=SEQUENCE)
    write_fasta(Path("db.fasta"), other="WWWWPPPPHHHHDDDDWWWWPPPP")
    assert fold("p.fasta", "--database", "db.fasta") == 0
    assert "WARNING lonely: no homologs found" in said()


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        ("", "own.a3m: there is no row in the alignment; the chain is folded as a single sequence"),
        (f">other\n{SEQUENCE[::-1]}\n", "own.a3m: the first row is not the chain's sequence"),
        (f">hit\n{SEQUENCE.replace('Q', '-')}\n", "own.a3m: the first row is not the chain's sequence"),
    ],
)
def test_an_alignment_without_the_query_is_a_warning(said, alignment, message):
    Path("own.a3m").write_text(alignment)
    chain = {"sequence": SEQUENCE, "count": 1, "unpairedMsaPath": "own.a3m"}
    Path("j.json").write_text(json.dumps([{"name": "a", "sequences": [{"proteinChain": chain}]}]))
    assert fold("j.json") == 0
    assert f"WARNING {message}" in said()
    assert summary().search["a"] == "own"


def test_letters_of_dna_are_a_warning_that_says_how_to_ask_for_dna(said):
    write_fasta(Path("p.fasta"), a="ACGTACGTACGT", b=SEQUENCE)
    assert fold("p.fasta") == 0
    (warning,) = [line for line in said().splitlines() if "nothing but the letters" in line]
    assert 'p.fasta, record 1 ("a"), line 1' in warning
    assert "dnaSequence" in warning


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello world\n", 'db.fasta is no FASTA: it begins with "hello world"'),
        ("# STOCKHOLM 1.0\nseq1 MKT\n//\n", 'db.fasta is no FASTA: it begins with "# STOCKHOLM 1.0"'),
        (">a\nACGTACGTACGTACGTAGCT\n", "db.fasta holds DNA or RNA, no proteins"),
        (">a\n>b\n", "db.fasta has no sequence in it"),
        ("", "db.fasta is empty"),
        (">a\nMKT 1234\n", 'db.fasta is no FASTA of sequences: "MKT 1234"'),
    ],
)
def test_a_wrong_database_is_an_error_before_anything_is_planned(said, content, message):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    write_fasta(Path("db.fasta"), hit=SEQUENCE.replace("Q", "E"))
    assert fold("p.fasta", "--database", "db.fasta") == 0
    before = Path("results/predictions/a/result.json").read_bytes()
    said()
    Path("db.fasta").write_text(content)
    write_fasta(Path("p.fasta"), a=SEQUENCE, new="GGGSSGGGSS")
    assert fold("p.fasta", "--database", "db.fasta") == 2
    assert f"search.databases: {message}" in said()
    assert Path("results/predictions/a/result.json").read_bytes() == before


def test_the_stages_by_hand_say_what_comes_first(said):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    keys = "targets: p.fasta\nmodel: protenix_tiny_default_v0.5.0\nweights: untrained\nsearch: {engine: none}\n"
    Path("c.yaml").write_text(keys)
    assert main(["plan", "--config", "c.yaml"]) == 1
    assert "results/targets.parquet is not there yet; make it with `pfold targets`" in said()
    assert main(["status", "--config", "c.yaml"]) == 1
    assert "start the run, or make a plan with `pfold plan`" in said()


def test_status_retry_and_doctor_take_a_results_folder(said, capsys, monkeypatch, tmp_path):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    assert main(["status", "--results", "results"]) == 1
    assert "results is no results folder of pfold" in said()
    assert fold("p.fasta") == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    capsys.readouterr()
    assert main(["status", "--results", "../results"]) == 0
    assert capsys.readouterr().out.startswith("done      1\n")
    assert main(["retry", "--results", "../results"]) == 0
    assert main(["doctor", "--results", "../results"]) == 0
    assert "protenix" not in capsys.readouterr().err


def test_output_that_nobody_reads_ends_quietly(tmp_path):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    assert fold("p.fasta") == 0
    command = f"{sys.executable} -m pfold.cli status --results results | true; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Closed(io.StringIO):
    """Output whose reader is gone."""

    def fileno(self) -> int:
        return os.open(os.devnull, os.O_WRONLY)

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_is_no_error(monkeypatch):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    assert fold("p.fasta") == 0
    monkeypatch.setattr(sys, "stdout", Closed())
    assert main(["status", "--results", "results"]) == 0


def test_the_log_names_nothing_twice(said):
    write_fasta(Path("p.fasta"), a=SEQUENCE)
    logging.getLogger("pfold").handlers.clear()
    assert fold("p.fasta") == 0
    assert said().count("plan: 1 fold") == 1
