"""Early stop over seeds."""

import pandas as pd
import pytest

from pfold import stages
from pfold.errors import ConfigError
from pfold.results.receipt import read_receipt
from pfold.run import batch as batches
from tests.runs import StandInModel, make_config, write_fasta

SEEDS = [1, 2, 3]


class Improving(StandInModel):
    """Targets of five residues get better with each seed; others stay."""

    def predict(self, features, n_sample, noise, **settings):
        out = super().predict(features, n_sample, noise, **settings)
        if len(features["token_index"]) == 5:
            plddt = 40.0 + 20 * self.folded.count(5)
            out["summary"] = [summary | {"plddt": plddt} for summary in out["summary"]]
        return out


def fold(folder, monkeypatch, **changes):
    """Fold two targets with three seeds; returns the configuration and the numbers of residues that were folded."""
    folder.mkdir()
    config = make_config(folder, write_fasta(folder / "p.fasta", good="MKTAY", poor="MKTAYI"), seeds=SEEDS, **changes)
    model = Improving()
    monkeypatch.setattr(batches, "load_model", lambda *_: model)
    stages.run_all(config)
    return config, model.folded


def test_seeds_after_the_one_that_is_good_enough_are_not_folded(tmp_path, monkeypatch):
    stopped, folded = fold(tmp_path / "a", monkeypatch, stop_at={"score": "plddt", "value": 80})
    everything, all_folded = fold(tmp_path / "b", monkeypatch)
    assert (folded.count(5), folded.count(6)) == (2, 3)
    assert (all_folded.count(5), all_folded.count(6)) == (3, 3)
    table = pd.read_csv(stopped.results / "summary.csv", keep_default_na=False)
    assert table.drop_duplicates("name").set_index("name").stopped.to_dict() == {
        "good": "after 2 of 3 seeds: plddt 80",
        "poor": "",
    }
    assert sorted(set(table.seed[table.name == "good"])) == [1, 2]
    assert set(pd.read_csv(everything.results / "summary.csv").stopped.isna()) == {True}
    n_same = 0
    for path in (stopped.results / "predictions").glob("*/seed-*/model.cif"):
        other = everything.results / path.relative_to(stopped.results)
        assert atoms(path) == atoms(other)
        n_same += 1
    assert n_same == 2 * 2 + 3 * 2


def atoms(path):
    return [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]


def test_without_an_early_stop_results_keep_their_identity(tmp_path, monkeypatch):
    config, _ = fold(tmp_path / "a", monkeypatch)
    assert "stop_at" not in config.sampling()
    assert "stop_at" not in read_receipt(config.results / "predictions/good")["settings"]
    stopping, _ = fold(tmp_path / "b", monkeypatch, stop_at={"score": "iptm", "value": 0.8})
    assert stopping.sampling()["stop_at"] == {"score": "iptm", "value": 0.8}
    ids = [read_receipt(c.results / "predictions/good")["result_id"] for c in (config, stopping)]
    assert len(set(ids)) == 2


def test_an_unknown_score_is_named(tmp_path):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAY")
    with pytest.raises(ConfigError, match="stop_at"):
        make_config(tmp_path, fasta, stop_at={"score": "pldt", "value": 80})
    with pytest.raises(ConfigError, match="stop_at"):
        make_config(tmp_path, fasta, stop_at={"score": "plddt"})
