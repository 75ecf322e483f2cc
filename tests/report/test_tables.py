import json

import pandas as pd
import pytest

from pfold import stages
from pfold.errors import TooManyFailedError
from pfold.report.tables import COLUMNS, check_failures, summarise
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
    assert rows.name.tolist() == ["a", "a", "b", "b", "bad"]
    assert rows["rank"].tolist()[:4] == [1, 2, 1, 2]
    assert rows.status.tolist() == ["done"] * 4 + ["rejected"]
    assert '"J" is not an amino acid' in rows.reason[4]
    assert rows.iptm.isna().tolist() == [True, True, False, False, True]
    assert set(rows.weights.dropna()) == {"untrained"}
    assert all((config.results.parent / path).is_file() for path in rows.structure.dropna())
    assert pd.read_csv(config.results / "summary.csv").name.tolist() == rows.name.tolist()


def test_the_report_shows_results_problems_and_the_warning(table):
    _, config = table
    html = (config.results / "report.html").read_text()
    assert 'href="predictions/a/a_model.cif"' in html
    assert "&quot;J&quot; is not an amino acid" in html
    assert "UNTRAINED WEIGHTS" in html


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
    rows = summarise(config).drop_duplicates("name").set_index("name")
    assert rows.status.to_dict() == {"a": "failed", "b": "done", "bad": "rejected"}
    assert "predictions/a: its result can't be read" in rows.reason["a"]
