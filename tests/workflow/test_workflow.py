"""The real Snakefile: what runs when something is added, changed, deleted, killed or wrong."""

import shutil
import subprocess
import time

import pandas as pd
import psutil
import pytest

from pfold.files import write_json
from tests.runs import write_fasta
from tests.workflow.workspaces import SEQUENCES, TIMEOUT, Workspace, new_workspace


def test_run_again_and_nothing_runs(workspace):
    run = workspace.run()
    assert run.code == 0
    assert not run.rules
    assert "Nothing to be done" in run.output


def test_results_say_that_weights_were_untrained(finished):
    assert set(finished.summary().weights) == {"untrained"}
    assert "UNTRAINED WEIGHTS" in (finished.results / "predictions/poly/poly_model.cif").read_text()
    (log,) = (finished.results / "logs/predict").glob("*.log")
    assert "UNTRAINED WEIGHTS" in log.read_text()


def test_only_an_added_sequence_is_searched_featurised_and_folded(workspace):
    before = workspace.receipts()
    alignments = {p: p.stat().st_mtime_ns for p in workspace.results.glob("store/alignments/*/*.a3m")}
    assert len(alignments) == 3
    write_fasta(workspace.folder / "p.fasta", **SEQUENCES, villin="LSDEDFKAVFGMTRSAFANLPLWKQQNLKKEKGLF")
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1, "search": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}
    after = workspace.receipts()
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"villin"}
    assert all(p.stat().st_mtime_ns == t for p, t in alignments.items())
    assert len(list(workspace.results.glob("store/alignments/*/*.a3m"))) == 4
    assert len(list(workspace.results.glob("store/features/*/*.npz"))) == 4


def test_a_changed_sampling_setting_reruns_predictions_only(workspace):
    before = workspace.receipts()
    # Each job sources the script of the site first.
    (workspace.folder / "set env.sh").write_text('echo "$PWD" >> sourced\n')
    workspace.configure(n_step=2, environment="set env.sh")
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"plan": 1, "predict": 1, "summary": 1, "check": 1}
    assert (workspace.folder / "sourced").read_text() == f"{workspace.folder}\n" * sum(run.rules.values())
    after = workspace.receipts()
    assert all(after[name] > before[name] for name in before)


def test_a_changed_batch_size_reruns_nothing(workspace):
    workspace.configure(batch={"max_targets": 1, "device_gflops": 100})
    assert not workspace.run().rules


def test_a_deleted_result_is_folded_again_and_no_other(workspace):
    before = workspace.receipts()
    shutil.rmtree(workspace.results / "predictions/poly")
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"plan": 1, "predict": 1, "summary": 1, "check": 1}
    assert "poly: its result is gone and will be made again" in run.output
    after = workspace.receipts()
    assert after.pop("poly") > before.pop("poly")
    assert after == before
    assert not workspace.run().rules


def test_after_a_fix_only_the_failed_batch_runs_again(workspace):
    workspace.add_job("own", msa="own.a3m")
    (workspace.folder / "own.a3m").write_text(">own\nMKTAYI\n>row\nMKT*YI\n")
    run = workspace.run("--keep-going")
    assert run.code != 0
    assert (
        "own failed (bad_input, attempt 1) and is given up: own.a3m, row 2 (\"row\"): '*' is no letter of an a3m"
        in run.output
    )
    assert "1 of 4 targets were not folded:\n  own: bad_input: " in run.output
    assert workspace.summary().drop_duplicates("name").status.tolist().count("failed") == 1
    others = workspace.receipts()
    assert workspace.pfold("status")[:4] == ["done      3", "running   0", "failed    1", "  bad_input 1  own"]
    assert workspace.pfold("retry", "--reason", "oom") == []

    (workspace.folder / "own.a3m").write_text(">own\nMKTAYI\n>row\nMKTGYI\n")
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1, "features": 1, "predict": 1, "summary": 1, "check": 1}
    assert workspace.receipts().keys() - others.keys() == {"own"}
    assert not newer(workspace.receipts(), others | {"own": workspace.receipts()["own"]})


def test_after_a_retry_only_the_failed_target_is_tried_again(workspace):
    plan = pd.read_parquet(workspace.results / "plan/plan.parquet").set_index("name")
    failure = {"name": "poly", "reason": "oom", "message": "out of memory", "retryable": False, "attempts": 3}
    write_json(workspace.results / "failures/poly.json", failure | {"result_id": plan.result_id["poly"]})
    shutil.rmtree(workspace.results / "predictions/poly")
    others = workspace.receipts()
    assert workspace.pfold("status")[2:4] == ["failed    1", "  oom       1  poly"]
    assert workspace.pfold("retry", "--reason", "error") == []
    assert workspace.pfold("retry", "--reason", "oom") == ["poly"]
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"plan": 1, "predict": 1, "summary": 1, "check": 1}
    assert workspace.receipts().keys() - others.keys() == {"poly"}


@pytest.fixture
def folding(workspace):
    """A run that folds all three targets anew, and when each was folded before."""
    workspace.configure(n_step=3)
    process = subprocess.Popen(
        workspace.command(), cwd=workspace.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process, workspace.receipts()
    if process.poll() is None:
        process.kill()


def wait_for_first_result(process: subprocess.Popen, workspace: Workspace, before: dict[str, int]) -> psutil.Process:
    """Wait until one target is folded; returns the job that is folding the next."""
    deadline = time.monotonic() + TIMEOUT
    # A result that is just being replaced is not there for a moment.
    while not newer(workspace.receipts(), before):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    return next(p for p in children if "predict.py" in " ".join(p.cmdline()))


def newer(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: t for name, t in after.items() if before[name] != t}


def test_a_killed_job_is_tried_again_and_keeps_what_it_finished(workspace, folding):
    process, before = folding
    wait_for_first_result(process, workspace, before).kill()
    kept = newer(workspace.receipts(), before)
    assert 1 <= len(kept) < len(SEQUENCES)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    after = workspace.receipts()
    assert {name: after[name] for name in kept} == kept
    assert len(newer(after, before)) == len(SEQUENCES)
    assert f"of 3 targets {len(kept)} are done, 0 given up, {3 - len(kept)} to fold" in log_of_last_batch(workspace)
    assert not list(workspace.results.glob("predictions/.*"))


def test_after_a_killed_run_only_the_rest_is_done(workspace, folding):
    process, before = folding
    job = wait_for_first_result(process, workspace, before)
    process.kill()
    job.kill()
    process.wait(TIMEOUT)
    kept = newer(workspace.receipts(), before)
    assert 1 <= len(kept) < len(SEQUENCES)

    # The same command: no lock is left, and no receipt is incomplete.
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"predict": 1, "summary": 1, "check": 1}
    after = workspace.receipts()
    assert {name: after[name] for name in kept} == kept
    assert len(newer(after, before)) == len(SEQUENCES)
    assert set(workspace.summary().status) == {"done"}


def log_of_last_batch(workspace: Workspace) -> str:
    logs = sorted(workspace.results.glob("logs/predict/*.log"), key=lambda p: p.stat().st_mtime)
    return logs[-1].read_text()


def test_the_plan_can_be_read_before_anything_expensive_runs(tmp_path):
    workspace = new_workspace(tmp_path / "w", **SEQUENCES)
    run = workspace.run("plan")
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1}
    plan = pd.read_csv(workspace.results / "plan/plan.csv")
    assert plan.state.tolist() == ["fold"] * 3
    assert not (workspace.results / "store").exists()


def test_bad_records_are_reported_and_the_others_go_on(workspace):
    write_fasta(workspace.folder / "p.fasta", **SEQUENCES, bad="MKTJ", empty="")
    run = workspace.run()
    assert run.code == 0, run.output
    assert run.rules == {"targets": 1, "plan": 1, "summary": 1, "check": 1}
    assert 'p.fasta, record 4 ("bad"), line 7: position 4: "J" is not an amino acid' in run.output
    rejected = workspace.summary().query("status == 'rejected'").set_index("name")
    assert '"J" is not an amino acid' in rejected.reason["bad"]
    assert "is empty" in rejected.reason["empty"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_steps": 3}, 'the key "n_steps" is unknown; did you mean "n_step"?'),
        ({"targets": ["gone.fasta"]}, "targets: gone.fasta does not exist"),
        ({"weights": "auto"}, "pfold weights fetch protenix_tiny_default_v0.5.0"),
        ({"weights": "gone.pt"}, "weights: gone.pt does not exist"),
        ({"components": "gone.cif"}, "components: gone.cif does not exist"),
    ],
)
def test_mistakes_in_the_configuration_stop_the_run_with_a_message(tmp_path, monkeypatch, changes, message):
    monkeypatch.setenv("PFOLD_WEIGHTS", str(tmp_path))
    workspace = new_workspace(tmp_path / "w", **SEQUENCES)
    workspace.configure(**changes)
    run = workspace.run()
    assert run.code != 0
    assert message in run.output
    assert "Traceback" not in run.output
