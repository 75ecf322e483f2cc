"""The memory plan: its arithmetic, the command, and the runner that asks it."""

from dataclasses import replace

import pytest

from pfold import stages
from pfold.cli import main
from pfold.inference.memory import (
    GIB,
    WHOLE,
    Chunks,
    Sizes,
    device_bytes,
    longest_target,
    max_targets,
    memory_plan,
    predicted_memory,
)
from pfold.run import batch as batches
from pfold.run.paths import RunPaths
from pfold.weights.published import model_settings
from tests.runs import StandInModel, make_config, write_fasta

TINY = model_settings("protenix_tiny_default_v0.5.0")


def sizes(n_token: int, n_msa: int = 1, n_sample: int = 1, n_target: int = 1) -> Sizes:
    return Sizes(n_token, 8 * n_token, n_msa, n_sample, n_target)


def test_pairs_decide_for_long_targets():
    peaks = [predicted_memory(TINY, "float32", sizes(n)).peak for n in (1024, 2048, 4096)]
    assert 3 < (peaks[2] - peaks[1]) / (peaks[1] - peaks[0]) < 4.2
    half = predicted_memory(TINY, "bfloat16", sizes(4096)).peak
    assert 0.4 < half / peaks[2] < 0.8
    two = predicted_memory(TINY, "float32", sizes(1024, n_target=2)).peak
    assert peaks[0] < two < 2 * peaks[0]


def test_the_longest_target_is_the_last_that_fits():
    longest = longest_target(TINY, "float32", sizes(1, 512), 24 * GIB)
    assert memory_plan(TINY, "float32", sizes(longest, 512), 24 * GIB).peak <= 24 * GIB
    assert memory_plan(TINY, "float32", sizes(longest + 1, 512), 24 * GIB).peak > 24 * GIB
    assert longest_target(TINY, "float32", sizes(1, 512), GIB) == 0


def test_a_target_is_cut_into_no_more_pieces_than_it_needs():
    long = sizes(2048, 512, n_sample=5)
    whole = predicted_memory(TINY, "float32", long)
    assert memory_plan(TINY, "float32", long, whole.peak).chunks == WHOLE
    cut = memory_plan(TINY, "float32", long, whole.peak - 1)
    assert cut.chunks == Chunks(samples=1, rows=2)
    assert cut.peak < whole.peak
    # Of many samples, the diffusion module takes only some at a time.
    many = memory_plan(TINY, "float32", sizes(1024, n_sample=200), 12 * GIB)
    assert many.peak <= 12 * GIB
    assert many.chunks.samples > 1
    # Where nothing helps, the plan says so by its peak.
    assert memory_plan(TINY, "float32", sizes(16384, 512), 24 * GIB).peak > 24 * GIB


def test_short_targets_share_a_pass():
    assert [max_targets(n) for n in (32, 64, 128, 512, 768, 4096)] == [16, 16, 8, 2, 1, 1]
    assert device_bytes(5e9) == 5e9
    assert device_bytes(None) > GIB


def test_the_command_says_what_fits(capsys):
    arguments = ["plan-memory", "--model", TINY.name, "--tokens", "1024", "--msa", "512", "--samples", "1"]
    assert main([*arguments, "--device-bytes", "24e9"]) == 0
    said = capsys.readouterr().out
    assert "peak\t" in said
    assert "fits into 22.4 GiB: in one piece; targets in one pass: 1" in said
    assert main([*arguments, "--device-bytes", "3e9"]) == 1
    assert "does not fit into 2.8 GiB; the longest target that would has" in capsys.readouterr().out


def test_the_runner_cuts_a_target_so_that_it_fits(tmp_path, monkeypatch, caplog):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYIAKQRQISFVKSHFSRQ")
    config = make_config(tmp_path, fasta, n_sample=4000)
    whole = predicted_memory(TINY, config.dtype, sizes(32, n_sample=4000))
    told = {}

    class Told(StandInModel):
        def predict(self, features, n_sample, noise, chunks, **settings):
            told["chunks"] = chunks
            return super().predict(features, 1, noise, **settings)

    monkeypatch.setattr(batches, "load_model", lambda *_: Told())
    with caplog.at_level("INFO"):
        stages.run_all(replace(config, device_bytes=whole.peak * 0.9))
    assert told["chunks"].samples == 2
    assert "samples in 2 parts" in caplog.text


def test_a_target_that_would_not_fit_fails_before_it_runs(tmp_path, monkeypatch):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYIAKQRQISFVKSHFSRQ")
    config = make_config(tmp_path, fasta, device_bytes=1.2e9)
    model = StandInModel()
    monkeypatch.setattr(batches, "load_model", lambda *_: model)
    with pytest.raises(stages.RetryableLeftError):
        stages.run_all(config)
    assert model.folded == []
    paths = RunPaths(config.results)
    record = next(paths.failures.glob("*.json"))
    assert "oom" in record.read_text()
    assert "tokens need" in record.read_text()
