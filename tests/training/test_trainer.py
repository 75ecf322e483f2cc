"""The training loop: it goes on exactly where it was ended, alone or with others, and its weights fold."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

import pfold
from pfold.cli import main
from pfold.errors import PfoldError
from pfold.evaluation.scores import tm_score
from pfold.inference import graphs
from pfold.training.checkpoint import checkpoint_folder
from pfold.training.confidence_norm import INPUT_NORM
from pfold.training.config import parse_train_config
from pfold.training.data.crop import crop_example
from pfold.training.data.examples import read_example
from pfold.training.data.sets import read_set
from pfold.training.initial import initial_weights
from pfold.training.parameters import FlatLayout, Parameters
from pfold.training.step import Learner, prepare, step_generator
from pfold.training.trainer import _sum_trained, train
from pfold.training.validation import lddt_ca, trace
from pfold.weights.load import DEMO_FILE, load_weights
from pfold.weights.published import model_settings
from tests.conftest import REPOSITORY
from tests.training.configs import config, keys, step_settings

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def folder(structures, tmp_path_factory) -> Path:
    """Three short chains."""
    folder = tmp_path_factory.mktemp("structures")
    for name in ("1D4T_B", "2JOF_A", "1PPElu_B"):
        shutil.copy(structures / f"{name}.cif.gz", folder)
    return folder


def write_config(path: Path, structures: Path, **changed) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(keys(structures, path.parent / "out", **changed)))
    return path


def command(path: Path) -> list[str]:
    return [str(Path(sys.executable).parent / "pfold"), "train", str(path)]


def assert_same(one: Path, other: Path, n_step: int) -> None:
    """Both trainings are in the same state, bit for bit, and measured the same."""
    a, b = (checkpoint_folder(results, n_step) for results in (one, other))
    first, second = load_file(a / "state.safetensors"), load_file(b / "state.safetensors")
    assert set(first) == {"parameters", "m", "v", "ema"}
    for name, array in first.items():
        assert array.tobytes() == second[name].tobytes(), name
    measured = [pd.read_parquet(x / "losses.parquet").drop(columns="seconds") for x in (a, b)]
    assert len(measured[0]) == n_step
    pd.testing.assert_frame_equal(*measured, check_exact=True)


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory) -> Path:
    path = write_config(tmp_path_factory.mktemp("undisturbed") / "train.yaml", folder)
    subprocess.run(command(path), check=True, capture_output=True)
    return path.parent / "out"


def test_a_killed_training_goes_on_bit_for_bit(folder, undisturbed, tmp_path):
    path = write_config(tmp_path / "train.yaml", folder)
    for after in (2, 4):
        process = subprocess.Popen(command(path), stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while not checkpoint_folder(tmp_path / "out", after).is_dir() and time.monotonic() < end:
            time.sleep(0.02)
        # In the middle of the next step.
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command(path), check=True, capture_output=True, text=True)
    assert "going on after step 4" in done.stderr
    assert_same(undisturbed, tmp_path / "out", 6)


def test_its_weights_are_a_checkpoint_that_folds(folder, undisturbed):
    weights = checkpoint_folder(undisturbed, 6) / "weights.safetensors"
    model = pfold.load_model("pfold_demo", weights=weights)
    features = read_example(folder / "2JOF_A.cif.gz", use_msa=False).features
    out = model.predict(features, n_cycle=1, n_step=2, n_sample=1)
    assert out["coordinate"].shape == (1, len(features["ref_pos"]), 3)
    assert np.isfinite(out["coordinate"]).all()


def test_another_training_is_not_gone_on_with(folder, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "out")
    with pytest.raises(PfoldError, match="another model, data, seed or start"):
        train(config(folder, tmp_path / "out", seed=5))


def test_a_step_whose_gradients_are_not_finite_is_skipped_and_named(folder, tmp_path, monkeypatch, caplog):
    learn = Learner.learn

    def broken(self, drawn, settings, **options):
        losses = learn(self, drawn, settings, **options)
        if drawn.rollout_seed == skipped[0]:
            self.gradients.flat[7] = np.nan
        return losses

    chosen = parse_train_config(keys(folder, tmp_path / "out", n_step=3), Path(), "train.yaml")
    from pfold.training.data.sets import read_set
    from pfold.training.step import draw_example

    sets = [(1.0, read_set(chosen.train[0], use_msa=False))]
    skipped = [draw_example(sets, chosen.settings_of(1), chosen.seed, 1, 0).rollout_seed]
    monkeypatch.setattr(Learner, "learn", broken)
    measured = pd.read_parquet(train(chosen) / "losses.parquet")
    assert measured["skipped"].tolist() == [False, True, False]
    assert "step 1 (" in caplog.text


def test_frozen_parts_stay_as_they_were(folder, undisturbed, tmp_path):
    start = checkpoint_folder(undisturbed, 6) / "weights.safetensors"
    frozen = ["pairformer_stack.", "msa_module."]
    found = train(config(folder, tmp_path / "out", n_step=2, start=str(start), frozen=frozen))
    before, after = load_file(start), load_file(found / "weights.safetensors")
    for name, array in before.items():
        if name.startswith(("pairformer_stack.", "msa_module.")):
            assert np.array_equal(array, after[name]), name
    assert not np.array_equal(before["distogram_head.linear.weight"], after["distogram_head.linear.weight"])


def test_a_head_that_no_step_teaches_stays_as_it_began(folder, tmp_path):
    """The confidence head before the first mini-rollout, in spite of weight decay."""
    optimizer = {"learning_rate": 1e-2, "warmup_steps": 0, "weight_decay": 1e-3}
    found = train(config(folder, tmp_path / "out", n_step=2, mini_rollout={"start": 100}, optimizer=optimizer))
    after, start = load_file(found / "weights.safetensors"), initial_weights(model_settings("pfold_demo"), 42)
    head = [name for name in start if name.startswith("confidence_head.")]
    assert len(head) > 50
    assert all(np.array_equal(after[name], start[name]) for name in head)
    changed = "distogram_head.linear.weight"
    assert not np.array_equal(after[changed], start[changed])


def test_structures_are_folded_while_training_with_the_averaged_weights(folder, tmp_path):
    data = keys(folder, tmp_path)["data"] | {"validation": [{"structures": str(folder)}]}
    validated = {"data": data, "validation": {"every": 2, "n_step": 2}}
    found = train(config(folder, tmp_path / "out", n_step=4, **validated))
    table = pd.read_parquet(found / "validation.parquet")
    assert table.step.tolist() == [2] * 3 + [4] * 3
    assert set(table.set) == {folder.name}
    page = (tmp_path / "out/training.html").read_text()
    assert "Training of pfold_demo: 4 steps" in page
    assert f"validation: {folder.name}" in page
    assert (tmp_path / "out/plotly.js").stat().st_size > 1_000_000
    # The same fold by the checkpoint that the average became.
    example = read_example(folder / "2JOF_A.cif.gz", use_msa=False)
    model = pfold.load_model("pfold_demo", weights=found / "weights.safetensors")
    out = model.predict(example.features, noise=42, n_step=2, n_sample=1)
    row = table[(table.step == 4) & (table.name == "2JOF_A")].iloc[0]
    known, predicted = trace(example, out["coordinate"][0])
    assert row.lddt_ca == pytest.approx(lddt_ca(known, predicted), abs=2e-3)
    assert row.tm_score == pytest.approx(tm_score(known, predicted, len(known)), abs=2e-3)
    assert row.plddt == pytest.approx(out["summary"][0]["plddt"], abs=1e-2)
    # Validation changes nothing of what is learnt.
    plain = train(config(folder, tmp_path / "plain", n_step=4))
    states = [load_file(x / "state.safetensors") for x in (found, plain)]
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(array, states[1][name]) for name, array in states[0].items())


def test_a_stage_freezes_what_the_one_before_learned(folder, tmp_path):
    stages = [{"from": 2, "set": {"trained": ["diffusion_module."]}}]
    found = train(config(folder, tmp_path / "out", n_step=4, stages=stages, checkpoint_every=2))
    (before, after) = (load_file(checkpoint_folder(tmp_path / "out", n) / "state.safetensors") for n in (2, 4))
    assert found == checkpoint_folder(tmp_path / "out", 4)
    layout = FlatLayout(model_settings("pfold_demo"))
    old, new = (layout.views(state["parameters"]) for state in (before, after))
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert changed
    assert all(name.startswith("diffusion_module.") for name in changed)


def test_what_learns_has_the_gradients_that_it_has_among_all(folder, undisturbed):
    """Nothing goes back through the trunk where only the diffusion module learns."""
    settings, step = model_settings("pfold_demo"), step_settings(32)
    weights = load_file(checkpoint_folder(undisturbed, 6) / "weights.safetensors")
    example = read_example(folder / "2JOF_A.cif.gz", use_msa=False)
    drawn = prepare(example, step, step_generator(1, 0, 0))
    found, n_backward = [], []
    for trained in (None, frozenset(name for name in weights if name.startswith("diffusion_module."))):
        learner = Learner(settings, Parameters(settings, weights), trained)
        before = graphs.counts.copy()
        learner.learn(drawn, step, confidence=False)
        n_backward.append(graphs.counts.since(before).launches)
        found.append(learner.gradients.named())
    every, some = found
    assert n_backward[1] < n_backward[0]
    for name, gradient in every.items():
        assert np.array_equal(some[name], gradient if name.startswith("diffusion_module.") else 0 * gradient), name
    assert np.abs(every["pairformer_stack.blocks.0.tri_mul_in.linear_z.weight"]).max() > 0


def test_confidence_alone_learns_without_the_diffusion_batch(folder, undisturbed, tmp_path):
    start = checkpoint_folder(undisturbed, 6) / "weights.safetensors"
    zero = dict.fromkeys(("smooth_lddt_loss", "mse_loss", "distogram_loss"), 0.0)
    chosen = {"trained": ["confidence_head."], "loss_weights": zero, "mini_rollout": {"n_step": 2}}
    found = train(config(folder, tmp_path / "out", n_step=2, start=str(start), **chosen))
    before, after = load_file(start), load_file(found / "weights.safetensors")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("confidence_head.") for name in changed)
    losses = pd.read_parquet(found / "losses.parquet")
    assert "plddt_loss" in losses
    assert "mse_loss" not in losses


def test_the_confidence_head_reads_channels_of_mean_0_and_variance_1(folder, tmp_path):
    slowly = {"trained": ["confidence_head."], "optimizer": {"learning_rate": 1e-9}, "start": "auto"}
    asked = config(folder, tmp_path / "out", n_step=1, measure_confidence_norm=True, **slowly)
    found = load_file(train(asked) / "weights.safetensors")
    learner = Learner(asked.model, Parameters(asked.model, load_weights(asked.model, DEMO_FILE)))
    generator, settings = step_generator(5, 0, 0), asked.settings_of(0)
    examples = read_set(asked.train[0], use_msa=False).found
    s = np.concatenate(
        [
            learner.single(prepare(crop_example(e, settings.crop, generator), settings, generator), settings)
            for e in examples
        ]
    )
    normed = (s - s.mean(1, keepdims=True)) / np.sqrt(s.var(1, keepdims=True) + 1e-5)
    after = normed * found[f"{INPUT_NORM}.weight"] + found[f"{INPUT_NORM}.bias"]
    assert np.median(normed.std(0)) < 0.1
    assert np.median(after.std(0)) == pytest.approx(1, abs=0.25)
    assert np.abs(after.mean(0)).max() < 0.5


def test_what_does_not_learn_is_computed_once_for_each_variant(folder, undisturbed, tmp_path, monkeypatch):
    start = checkpoint_folder(undisturbed, 6) / "weights.safetensors"
    zero = dict.fromkeys(("smooth_lddt_loss", "mse_loss", "distogram_loss"), 0.0)
    chosen = {"trained": ["confidence_head."], "loss_weights": zero, "mini_rollout": {"n_step": 2}, "n_variant": 1}
    launches = []
    for name, most in (("kept", 2**30), ("anew", 0)):
        monkeypatch.setattr("pfold.training.step._MAX_KEPT_BYTES", most)
        before = graphs.counts.copy()
        train(config(folder, tmp_path / name, start=str(start), **chosen))
        launches.append(graphs.counts.since(before).launches)
    assert launches[0] < 0.8 * launches[1]
    assert_same(tmp_path / "kept", tmp_path / "anew", 6)


def test_gradients_of_what_does_not_learn_are_not_sent():
    class Twins:
        """Two processes that found the same."""

        def sum(self, x: np.ndarray) -> None:
            sent.append(len(x))
            x *= 2

    sent: list[int] = []
    gradients = np.arange(5, dtype=np.float32)
    _sum_trained(gradients, np.array([True, False, False, True, True]), Twins())
    assert gradients.tolist() == [0, 1, 2, 6, 8]
    _sum_trained(gradients, np.ones(5, bool), Twins())
    assert gradients.tolist() == [0, 2, 4, 12, 16]
    assert sent == [3, 5]


def test_two_processes_learn_what_one_learns_of_both_examples(folder, tmp_path):
    results = []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for n_process in (1, 2):
        path = write_config(tmp_path / str(n_process) / "train.yaml", folder, n_step=2, examples_per_step=2)
        launched = [*command(path), "--processes", str(n_process)]
        subprocess.run(launched, check=True, capture_output=True, env=environment, cwd=tmp_path)
        results.append(load_file(checkpoint_folder(path.parent / "out", 2) / "state.safetensors"))
    one, two = results
    assert np.abs(one["m"]).max() > 0
    # Sums in another order.
    assert np.abs(one["m"] - two["m"]).max() < 1e-5 * np.abs(one["m"]).max()
    assert np.abs(one["parameters"] - two["parameters"]).max() < 1e-4


def test_the_workflow_starts_a_training_once(folder, tmp_path):
    path = write_config(tmp_path / "train.yaml", folder)
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "workflow/train.smk"), "--dry-run"]

    def planned(*arguments: str) -> str:
        run = [*snakemake, "--workflow-profile", "none", *arguments]
        done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.stdout + done.stderr

    given = ("--cores", "1", "--config", f"training={path}", "processes=2")
    assert "rule train" in planned(*given)
    assert "rule train" in planned(*given, "--profile", str(REPOSITORY / "profiles/slurm"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/trained_6").touch()
    assert "Nothing to be done" in planned(*given)
    assert "name the training's configuration" in planned("--cores", "1")
    path.write_text(path.read_text().replace("n_step: 6", "n_stop: 6", 1))
    assert 'did you mean "n_step"' in planned(*given)


def test_a_checkpoint_as_16_bit_floats_is_half_as_large(undisturbed, tmp_path):
    source, half = checkpoint_folder(undisturbed, 6) / "weights.safetensors", tmp_path / "half.safetensors"
    assert main(["weights", "convert", "pfold_demo", str(source), str(half), "--half"]) == 0
    model = pfold.load_model("pfold_demo", weights=half)
    assert model.settings.name == "pfold_demo"
    assert half.stat().st_size < 12_000_000
    before, after = load_file(source), load_file(half)
    # Edges of bins, up to a million Å, are no 16-bit floats.
    kept = {name for name, array in after.items() if array.dtype == np.float32}
    assert kept == {"confidence_head.upper_bins"}
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array, rtol=1e-3, atol=1e-7, err_msg=name)
