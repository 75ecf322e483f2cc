"""The configuration of a training."""

import pytest

from pfold.errors import ConfigError
from pfold.training.checkpoint import checkpoint_folder
from pfold.training.config import load_train_config
from tests.conftest import REPOSITORY, SHARED
from tests.training.configs import config

DEMO_PARTS = ["train", "diffusion", "high_noise", "joint", "confidence"]


def test_defaults_are_the_published_recipe(tmp_path):
    settings = config(tmp_path, tmp_path / "out", diffusion_batch=48, optimizer={}).settings_of(0)
    assert (settings.noise_mean, settings.noise_deviation) == (-1.2, 1.5)
    assert settings.loss_weights["mse_loss"] == 4
    optimizer = settings.optimizer
    assert (optimizer.beta1, optimizer.beta2, optimizer.clip_norm, optimizer.ema_decay) == (0.9, 0.95, 10, 0.999)


def test_a_stage_changes_only_what_it_sets(tmp_path):
    later = {"from": 4, "set": {"loss_weights": {"bond_loss": 4.0}, "crop": {"n_token": 64}}}
    found = config(tmp_path, tmp_path / "out", stages=[later])
    before, after = found.settings_of(3), found.settings_of(4)
    assert (before.loss_weights["bond_loss"], after.loss_weights["bond_loss"]) == (0, 4)
    assert (before.crop.n_token, after.crop.n_token) == (32, 64)
    assert after.loss_weights["mse_loss"] == before.loss_weights["mse_loss"]
    assert after.optimizer == before.optimizer


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"learning_rate": 1}, 'the key "learning_rate" is unknown'),
        ({"optimizer": {"warmup": 3}}, 'the key "optimizer.warmup" is unknown; did you mean "warmup_steps"'),
        ({"diffusion_batch": 0}, '"diffusion_batch": 0 is less than'),
        ({"stages": [{"from": 3, "set": {"seed": 1}}]}, "a stage can't set seed"),
        ({"data": {"train": [{"structures": "nowhere"}]}}, "nowhere is no folder"),
        ({"trained": ["confidence_hed."]}, '"trained" and "frozen" leave no weight of pfold_demo that learns'),
        ({"stages": [{"from": 3, "set": {"trained": ["x."]}}]}, "stage from 3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changed, said):
    with pytest.raises(ConfigError, match=r"^train\.yaml") as error:
        config(tmp_path, tmp_path / "out", **changed)
    assert said in str(error.value)


@pytest.mark.shared
@pytest.mark.parametrize("part", DEMO_PARTS)
def test_the_demonstration_model_has_its_configuration(part):
    found = load_train_config(REPOSITORY / f"config/demo/{part}.yaml")
    assert found.model.name == "pfold_demo"
    assert found.train[0].structures.resolve() == (SHARED / "data/structures").resolve()


@pytest.mark.shared
def test_each_part_of_the_demonstration_recipe_begins_where_the_one_before_ends():
    parts = [load_train_config(REPOSITORY / f"config/demo/{part}.yaml") for part in DEMO_PARTS]
    ends = [checkpoint_folder(part.results, part.n_step) / "weights.safetensors" for part in parts]
    assert [part.start for part in parts] == ["scratch", *(str(end) for end in ends[:-1])]
    last = str(ends[-1].resolve().relative_to(REPOSITORY.resolve()))
    assert last in (REPOSITORY / "docs/demo_model.md").read_text()
