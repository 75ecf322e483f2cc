"""What has changed is told by content: files with older times, renamed targets, damaged results and files of a run."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import gemmi
import pandas as pd

from pfold.features.store import FeatureStore
from tests.conftest import REPOSITORY
from tests.runs import write_fasta
from tests.workflow.workspaces import SEQUENCES, TIMEOUT, new_workspace

LONG_AGO = 946_684_800  # 2000-01-01


def replaced(path: Path, content: str) -> None:
    """Put a file in place of another as `cp -p`, `rsync -a` and tar do: with an older time."""
    path.write_text(content)
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_fasta_that_is_older_than_the_run_is_read(workspace):
    text = (workspace.folder / "p.fasta").read_text()
    replaced(workspace.folder / "p.fasta", text.replace("GGGSSGGGSSGGGSSGGGSS", "GGGSSGGGSSGGGSSGGGAA"))
    before = workspace.receipts()
    run = workspace.run()
    assert run.code == 0, run.output
    assert {"targets", "plan", "predict", "summary"} <= set(run.rules)
    after = workspace.receipts()
    assert {name for name in before if after[name] != before[name]} == {"poly"}
    # The same content again with a new time: nothing to do.
    os.utime(workspace.folder / "p.fasta")
    run = workspace.run("--profile", str(REPOSITORY / "profiles/local"))
    assert not run.rules


def test_a_database_and_files_named_in_inputs_are_watched(tmp_path):
    workspace = new_workspace(tmp_path / "w", poly=SEQUENCES["poly"])
    (workspace.folder / "db.fasta").write_text(">UniRef100_A_1\nGGGSSGGGSSGGGSSGGGSA\n")
    (workspace.folder / "own.a3m").write_text(">own\nMKTAYI\n>row\nMKTGYI\n")
    workspace.add_job("own", msa="own.a3m")
    search = {"engine": "jackhmmer", "databases": ["db.fasta"]}
    workspace.configure(targets=["p.fasta", "jobs.json"], search=search)
    assert workspace.run().code == 0
    before = workspace.receipts()
    replaced(workspace.folder / "own.a3m", ">own\nMKTAYI\n>row\nMKTHYI\n")
    run = workspace.run()
    assert run.rules == {"targets": 1, "plan": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}, run.output
    after = workspace.receipts()
    assert after["own"] != before["own"]
    assert after["poly"] == before["poly"]
    replaced(workspace.folder / "db.fasta", ">UniRef100_B_1\nGGGSSGGGSSGGGSSGGGSC\n")
    run = workspace.run()
    assert run.rules == {"plan": 1, "search": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}, run.output
    assert workspace.receipts()["own"] == after["own"]


def test_renamed_and_repeated_targets_are_copied_not_folded(workspace):
    before = workspace.receipts()
    renamed = {f"new_{name}": sequence for name, sequence in SEQUENCES.items()}
    write_fasta(workspace.folder / "p.fasta", **renamed, twin=SEQUENCES["poly"])
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1, "summary": 1, "check": 1}
    assert set(workspace.receipts()) == {*before, *renamed, "twin"}
    old, new = (workspace.results / "predictions" / name for name in ("poly", "twin"))
    mine, other = (gemmi.cif.read(str(p)).sole_block() for p in (new / "twin_model.cif", old / "poly_model.cif"))
    assert (mine.name, mine.find_value("_entry.id")) == ("twin", "twin")
    assert gemmi.cif.as_string(mine.find_value("_struct.title")).endswith("Predicted structure of twin")
    for item in ("_atom_site.Cartn_x", "_atom_site.B_iso_or_equiv", "_ma_qa_metric_local.metric_value"):
        assert list(mine.find_values(item)) == list(other.find_values(item))
        assert len(mine.find_values(item)) > 1
    assert (old / "poly_confidences.json").read_bytes() == (new / "twin_confidences.json").read_bytes()
    receipt = json.loads((new / "result.json").read_text())
    assert receipt["name"] == "twin"
    assert set(workspace.summary().status) == {"done"}
    assert not workspace.run().rules


def test_a_result_whose_structure_is_gone_empty_or_damaged_is_folded_again(workspace):
    before = workspace.receipts()
    for name, harm in zip(SEQUENCES, ("gone", "empty", "damaged"), strict=True):
        structure = workspace.results / "predictions" / name / f"{name}_model.cif"
        match harm:
            case "gone":
                structure.unlink()
            case "empty":
                structure.write_bytes(b"")
            case _:
                content = bytearray(structure.read_bytes())
                content[len(content) // 2] ^= 1
                structure.write_bytes(content)
    run = workspace.run()
    assert run.code == 0, run.output
    for name in SEQUENCES:
        assert f"{name}: its result is damaged and will be made again" in run.output
    after = workspace.receipts()
    assert all(after[name] > before[name] for name in SEQUENCES)
    assert not workspace.run().rules


def test_damaged_files_of_the_run_are_named_and_made_again(workspace):
    results = workspace.results
    plan = pd.read_parquet(results / "plan/plan.parquet").set_index("name")
    features = FeatureStore(results / "store/features").path(plan.features_id["poly"])
    harmed = {
        results / "targets.parquet": 0,
        results / "plan/plan.parquet": 100,
        results / "summary.parquet": 50,
        results / "receipts/plan.json": 20,
        results / "predictions/poly/result.json": 30,
        results / "failures/insulin_a.json": 0,
        results / "running/12345678.json": 0,
        features: 200,
    }
    for path, kept in harmed.items():
        path.parent.mkdir(exist_ok=True)
        content = path.read_bytes() if path.is_file() else b"{}"
        path.write_bytes(content[:kept])
    others = {name: t for name, t in workspace.receipts().items() if name != "poly"}
    run = workspace.run()
    assert run.code == 0, run.output
    assert "predictions/poly/result.json is damaged and passed over" in run.output
    assert f"{features.relative_to(workspace.folder)}: it can't be read" in run.output
    assert "It is removed; the features are made anew" in run.output
    assert set(workspace.summary().status) == {"done"}
    after = workspace.receipts()
    assert {name: after[name] for name in others} == others
    assert workspace.pfold("status")[0] == "done      3"


def test_a_store_that_is_emptied_before_folding_is_filled_again(workspace):
    for name in ("predictions", "store", "receipts/predict"):
        shutil.rmtree(workspace.results / name)
    for stage in ("summary", "check"):
        (workspace.results / f"receipts/{stage}.json").unlink()
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"plan": 1, "search": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}
    assert set(workspace.receipts()) == set(SEQUENCES)


def test_results_of_an_earlier_version_are_kept(workspace):
    """Their receipts have no digests of files."""
    for path in workspace.results.glob("predictions/*/result.json"):
        receipt = json.loads(path.read_text())
        del receipt["files"], receipt["input"]
        path.write_text(json.dumps(receipt))
    before = workspace.receipts()
    assert not workspace.run().rules
    (workspace.results / "predictions/poly/poly_model.cif").write_bytes(b"")
    assert workspace.run().rules == {"plan": 1, "predict": 1, "summary": 1, "check": 1}
    after = workspace.receipts()
    assert {name for name in before if after[name] != before[name]} == {"poly"}


def test_without_sbatch_the_slurm_profile_says_so_at_once(tmp_path):
    workspace = new_workspace(tmp_path / "w", **SEQUENCES)
    # All programs but SLURM's, which a folder may hold together with those that Snakemake needs.
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(folder).glob("*"):
            if program.name != "sbatch":
                (programs / program.name).unlink(missing_ok=True)
                (programs / program.name).symlink_to(program)
    command = workspace.command("--profile", str(REPOSITORY / "profiles/slurm"))
    start = time.monotonic()
    done = subprocess.run(
        command,
        cwd=workspace.folder,
        env=os.environ | {"PATH": str(programs)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode != 0
    assert "there is no sbatch here" in done.stdout + done.stderr
    assert time.monotonic() - start < 60


def test_two_runs_from_one_checkout_and_two_in_one_folder(tmp_path):
    """Two users work from one checkout in folders of their own; of two runs in one results folder the second stops."""
    first, other = (new_workspace(tmp_path / name, **SEQUENCES) for name in ("first", "other"))
    running = [
        subprocess.Popen(w.command(), cwd=w.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for w in (first, other)
    ]
    deadline = time.monotonic() + TIMEOUT
    while not (first.results / "receipts/targets.json").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = first.run()
    assert second.code != 0
    assert "results: another run is at work there (" in second.output
    fold = [sys.executable, "-m", "pfold.cli", "fold", "p.fasta", "--weights", "untrained"]
    third = subprocess.run(fold, cwd=first.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert third.returncode == 1
    assert "another run is at work there" in third.stderr
    for process, workspace in zip(running, (first, other), strict=True):
        output, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, output
        assert set(workspace.receipts()) == set(SEQUENCES)
