import pandas as pd
import pytest

from pfold import stages
from pfold.errors import ConfigError
from pfold.files import read_json
from pfold.inference.buckets import atom_bucket, token_bucket
from pfold.run.cost import predicted_tflop
from pfold.run.paths import RunPaths
from pfold.run.plan import make_plan
from pfold.weights.published import MODELS
from tests.conftest import DEMO
from tests.runs import make_config, write_fasta


@pytest.fixture
def fasta(tmp_path):
    sequences = {"short": "M" * 20, "twin": "m" * 20, "middle": "G" * 40, "middle2": "A" * 50, "long": "W" * 100}
    return write_fasta(tmp_path / "p.fasta", **sequences)


def planned(config) -> pd.DataFrame:
    stages.run_targets(config)
    make_plan(config)
    return pd.read_csv(config.results / "plan/plan.csv").set_index("name")


def jobs(config, stage: str) -> list[dict]:
    return [read_json(path) for path in sorted((RunPaths(config.results).plan / stage).glob("*.json"))]


def test_the_plan_is_a_table_of_buckets_batches_and_costs(tmp_path, fasta):
    table = planned(make_config(tmp_path, fasta))
    assert table.bucket.to_dict() == {"short": 32, "twin": 32, "middle": 64, "middle2": 64, "long": 128}
    assert table.state.to_dict()["twin"] == "copy"
    assert table.batch["short"] == table.batch["twin"]
    assert table.batch["middle"] == table.batch["middle2"] != table.batch["long"]
    assert (table.tflop > 0).all()


def test_batches_are_bounded_in_number_and_cost_and_longest_first(tmp_path, fasta):
    config = make_config(tmp_path, fasta, batch={"max_targets": 1})
    assert planned(config).query("state == 'fold'").batch.nunique() == 4
    config = make_config(tmp_path, fasta, batch={"max_tflop": 0.0001})
    assert planned(config).query("state == 'fold'").batch.nunique() == 4
    wide = make_config(tmp_path, fasta, buckets=[128], max_tokens=128)
    assert planned(wide).query("state == 'fold'").batch.nunique() == 1
    (batch,) = jobs(wide, "predict")
    assert [t["name"] for t in batch["targets"]] == ["long", "middle2", "middle", "short"]
    assert [c["name"] for c in batch["targets"][-1]["copies"]] == ["twin"]


def test_jobs_wait_for_the_shards_they_need(tmp_path, fasta):
    search = {"engine": "jackhmmer", "databases": [str(DEMO / "database.fasta")]}
    config = make_config(tmp_path, fasta, search=search, batch={"shard_size": 2})
    planned(config)
    searches = {p.stem: read_json(p) for p in (config.results / "plan/search").glob("*.json")}
    assert sorted(len(shard["items"]) for shard in searches.values()) == [2, 2]
    shards = {p.stem: read_json(p) for p in (config.results / "plan/features").glob("*.json")}
    assert all(set(shard["needs"]) <= set(searches) and shard["needs"] for shard in shards.values())
    assert all(set(batch["needs"]) <= set(shards) and batch["needs"] for batch in jobs(config, "predict"))


def test_settings_change_the_result_and_batching_does_not(tmp_path, fasta):
    before = planned(make_config(tmp_path, fasta))
    assert (planned(make_config(tmp_path, fasta, batch={"max_targets": 1})).result_id == before.result_id).all()
    stepped = planned(make_config(tmp_path, fasta, n_step=2))
    assert (stepped.result_id != before.result_id).all()
    assert (stepped.features_id == before.features_id).all()
    assert before.result_id["short"] == before.result_id["twin"]


def test_a_target_beyond_all_buckets_is_an_error():
    assert token_bucket(64, [32, 64]) == 64
    with pytest.raises(ConfigError, match="65 tokens are more than the largest bucket"):
        token_bucket(65, [32, 64])


def test_atoms_are_padded_to_few_lengths():
    lengths = {atom_bucket(n, 64) for n in range(400, 700)}
    assert lengths == {512, 768}
    assert all(length % 32 == 0 for length in lengths)


def test_cost_grows_with_length_and_model():
    def cost(name, n):
        return predicted_tflop(MODELS[name], n, 1, 4, 5, 1)

    tiny, base = "protenix_tiny_default_v0.5.0", "protenix_base_default_v0.5.0"
    assert 4 < cost(tiny, 512) / cost(tiny, 256) < 8
    assert cost(base, 256) > 4 * cost(tiny, 256)
    # 4.2 TFLOP were counted for this run (tiny, 245 tokens, 4 cycles, 5 steps, 1 sample).
    assert cost(tiny, 245) == pytest.approx(4.2, rel=0.25)
