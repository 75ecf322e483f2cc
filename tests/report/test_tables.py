import csv
import json

import pandas as pd
import pytest

from pfold import stages
from pfold.errors import TooManyFailedError
from pfold.report.tables import COLUMNS, PAIR_COLUMNS, check_failures, summarise
from pfold.run import batch as batches
from tests.runs import StandInModel, make_config, write_fasta


@pytest.fixture
def table(tmp_path, monkeypatch):
    fasta = write_fasta(tmp_path / "p.fasta", a="MKTAYI", bad="MKTJ", b="GGGSW:GGGSW")
    config = make_config(tmp_path, fasta)
    monkeypatch.setattr(batches, "load_model", lambda *_: StandInModel())
    stages.run_all(config)
    return pd.read_parquet(config.results / "summary.parquet"), config


def test_a_row_per_target_and_sample_and_one_per_rejection(table):
    rows, config = table
    assert tuple(rows.columns) == COLUMNS
    assert sorted(rows.name) == ["a", "a", "b", "b", "bad"]
    assert rows["rank"].tolist()[:4] == [1, 2, 1, 2]
    assert rows.status.tolist() == ["done"] * 4 + ["rejected"]
    assert '"J" is not an amino acid' in rows.reason[4]
    by_name = rows.set_index("name")
    assert by_name.iptm.isna().to_dict() == {"a": True, "b": False, "bad": True}
    assert by_name.best_pair.fillna("").to_dict() == {"a": "", "b": "A-B", "bad": ""}
    assert set(rows.weights.dropna()) == {"untrained"}
    assert pd.read_csv(config.results / "summary.csv").name.tolist() == rows.name.tolist()


def test_a_run_whose_records_are_all_rejected_ends_with_tables_and_a_report(tmp_path):
    config = make_config(tmp_path, write_fasta(tmp_path / "p.fasta", a="MKT1", b="MKTJ"))
    stages.run_all(config)
    rows = pd.read_csv(config.results / "summary.csv")
    assert rows.status.tolist() == ["rejected", "rejected"]
    assert '"1" is not an amino acid' in rows.reason[0]
    assert (config.results / "report/index.html").is_file()


def test_the_best_target_is_first_and_of_a_target_the_best_sample(table):
    rows, _ = table
    done = rows[rows.status == "done"]
    best = done[done["rank"] == 1].ranking_score
    assert best.is_monotonic_decreasing
    assert len(best) == 2
    for name in ("a", "b"):
        assert done[done.name == name].ranking_score.is_monotonic_decreasing


def test_numbers_are_rounded_integers_whole_and_paths_relative_to_the_table(table):
    rows, config = table
    with (config.results / "summary.csv").open() as file:
        numbers = next(csv.DictReader(file))
    assert numbers["n_token"] in ("6", "10")
    assert numbers["rank"] == "1"
    assert all(len(numbers[key].partition(".")[2]) <= 4 for key in ("ranking_score", "plddt", "ptm", "gpde", "seconds"))
    assert all((config.results / path).is_file() for path in rows.structure.dropna())
    assert rows.structure[0].startswith("predictions/")


def test_a_row_per_pair_of_chains(table):
    _, config = table
    pairs = pd.read_parquet(config.results / "pairs.parquet")
    assert tuple(pairs.columns) == PAIR_COLUMNS
    assert pairs[["name", "chain_1", "chain_2", "folder"]].to_numpy().tolist() == [["b", "A", "B", "b"]]
    summary = json.loads((config.results / "predictions/b/b_summary_confidences.json").read_text())
    assert pairs.ipsae[0] == summary["best_chain_pair"]["ipsae"] > 0
    assert pairs.iptm[0] == summary["chain_pair_iptm"][0][1]
    assert len(pd.read_csv(config.results / "pairs.csv")) == 1


def test_failures_above_the_limit_fail_the_run():
    rows = pd.DataFrame(
        {
            "name": ["a", "b", "c"],
            "folder": ["a", "b", ""],
            "status": ["done", "failed", "rejected"],
            "reason": ["", "oom: none left", "bad"],
        }
    )
    check_failures(rows, 0.5)
    with pytest.raises(TooManyFailedError, match="1 of 2 targets were not folded:\n  b: oom: none left"):
        check_failures(rows, 0.4)


def test_a_result_that_can_not_be_read_is_a_row_of_its_own(table):
    _, config = table
    path = config.results / "predictions/a/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"samples": [{"odd": 1}]}))
    rows = summarise(config).summary.drop_duplicates("name").set_index("name")
    assert rows.status.to_dict() == {"a": "failed", "b": "done", "bad": "rejected"}
    assert "predictions/a: its result can't be read" in rows.reason["a"]
