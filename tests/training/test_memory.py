"""The memory plan of a training: what it predicts beside what was measured, and what it chooses."""

import logging
from pathlib import Path

import pytest

from pfold.training.config import TrainConfig
from pfold.training.memory import CropSizes, longest_crop, predicted_peak, with_memory_plan
from pfold.weights.published import model_settings

from .configs import config

TINY = model_settings("protenix_tiny_default_v0.5.0")
GB = 1e9
# Tokens, copies at once, recompute: peak (GB) of protenix_tiny without an optimiser, 64 MSA rows, diffusion batch 8, on
# two cores (benchmarks/RESULTS.md).
MEASURED = {(128, 8, "block"): 2.4, (128, 8, "update"): 2.9, (256, 8, "block"): 3.7, (256, 4, "block"): 3.6}


@pytest.mark.parametrize("sizes", MEASURED)
def test_prediction_is_near_what_was_measured(sizes):
    n_token, at_once, recompute = sizes
    found = predicted_peak(TINY, CropSizes(n_token, 64, 8, at_once), recompute, buffers=2)
    assert found / GB == pytest.approx(MEASURED[sizes], rel=0.1)


def test_what_keeps_more_needs_more():
    crop = CropSizes(256, 64, 8, 8)
    peaks = [predicted_peak(TINY, crop, name) for name in ("block", "update")]
    assert peaks[0] < peaks[1] < predicted_peak(TINY, crop, "update", fused=False)


def test_the_longest_crop_is_the_last_that_fits():
    crop = CropSizes(0, 64, 8, 4)
    n_token = longest_crop(TINY, crop, "block", 20 * GB)
    assert n_token % 8 == 0
    fits, too_long = (predicted_peak(TINY, CropSizes(n, 64, 8, 4), "block") <= 20 * GB for n in (n_token, n_token + 8))
    assert fits
    assert not too_long
    assert longest_crop(TINY, crop, "block", 1.0) == 0


def planned(tmp_path: Path, device: float, **changed) -> TrainConfig:
    before = config(tmp_path, tmp_path / "results", device_bytes=device, **changed)
    return with_memory_plan(before, fused=True)


def test_auto_takes_the_fastest_that_fits_and_says_where_none_does(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    plenty, little = 16 * GB, 1.0
    assert planned(tmp_path, plenty).settings_of(0).recompute == "update"
    assert "crops of 32 tokens need about" in caplog.text
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]
    assert planned(tmp_path, little).settings_of(0).recompute == "block"
    assert "a smaller crop.n_token or diffusion_at_once needs less" in caplog.text


def test_a_choice_is_kept_and_stages_choose_for_themselves(tmp_path):
    crop = {"n_token": 512, "buckets": [512]}
    stages = [{"from": 3, "set": {"crop": crop}}]
    small = predicted_peak(model_settings("pfold_demo"), CropSizes.of(planned(tmp_path, 1.0).settings_of(0)), "update")
    found = planned(tmp_path, 1.1 * small, stages=stages)
    assert [settings.recompute for _, settings in found.stages] == ["update", "block"]
    assert planned(tmp_path, 1e12, recompute="block").settings_of(0).recompute == "block"


def test_processes_on_one_machine_share_its_memory(tmp_path, monkeypatch):
    before = config(tmp_path, tmp_path / "results")
    peak = predicted_peak(model_settings("pfold_demo"), CropSizes.of(before.settings_of(0)), "update")
    monkeypatch.setattr("pfold.training.memory.device_bytes", lambda configured: configured or 1.5 * peak)
    assert with_memory_plan(before, fused=True).settings_of(0).recompute == "update"
    assert with_memory_plan(before, fused=True, n_process=2).settings_of(0).recompute == "block"
    # An NPU is one process's own, and so is what is configured.
    assert with_memory_plan(before, fused=False, n_process=2).settings_of(0).recompute == "update"
    configured = config(tmp_path, tmp_path / "results", device_bytes=1.5 * peak)
    assert with_memory_plan(configured, fused=True, n_process=2).settings_of(0).recompute == "update"
