"""A screen through all stages: each chain is searched once, and the tables say which pair is which."""

import pandas as pd
import yaml

from pfold import stages
from pfold.config import load_config
from pfold.run import batch as batches
from pfold.run.jobs import read_search_shard
from pfold.run.paths import RunPaths
from tests.conftest import DEMO
from tests.runs import TINY, StandInModel, write_fasta


def test_each_chain_of_a_screen_is_searched_once(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    write_fasta(tmp_path / "baits.fasta", b1="NLYIQWLKDGGPSSGRPPPS", b2="GIVEQCCTSICSLYQLENYCN")
    write_fasta(
        tmp_path / "preys.fasta",
        p1="FVNQHLCGSHLVEALYLVCGERGFFYTPKT",
        p2="GGGSSGGGSSGGGSSGGGSS",
        p3="NLYIQWLKDGGPSSGRPPPS",
    )
    keys = {key: value for key, value in TINY.items() if key != "targets"} | {
        "pairs": {"baits": "baits.fasta", "preys": ["preys.fasta"]},
        "results": "results",
        "search": {"engine": "jackhmmer", "databases": [str(DEMO / "database.fasta")]},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(keys))
    config = load_config(tmp_path / "my.yaml")
    paths = RunPaths(config.results)
    stages.run_targets(config)
    stages.run_plan(config)
    shards = [read_search_shard(path) for path in paths.jobs("search")]
    # Two baits and three preys, of which one is a bait too: four sequences for six pairs.
    assert sum(len(shard.items) for shard in shards) == 4
    stages.run_all(config)

    summary = pd.read_csv(config.results / "summary.csv")
    best = summary[summary["rank"] == 1]
    assert len(best) == 6
    assert set(best.status) == {"done"}
    assert set(zip(best.bait, best.prey, strict=True)) == {(b, p) for b in ("b1", "b2") for p in ("p1", "p2", "p3")}
    pairs = pd.read_csv(config.results / "pairs.csv")
    assert sorted(pairs.name) == sorted(f"{b}__{p}" for b in ("b1", "b2") for p in ("p1", "p2", "p3"))
    assert pairs.ipsae.is_monotonic_decreasing
    assert set(pairs.bait) == {"b1", "b2"}
    assert len(list((config.results / "store/alignments").rglob("*.a3m"))) == 4
