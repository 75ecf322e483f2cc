import numpy as np
import pandas as pd
import pytest

from pfold import cli
from pfold.errors import InputError
from pfold.files import write_table
from pfold.report.query import query_tables
from pfold.report.tables import best_results


@pytest.fixture
def results(tmp_path):
    summary = pd.DataFrame({"name": ["a", "b"], "rank": [1, 1], "status": "done", "iptm": [0.9, 0.2]})
    pairs = pd.DataFrame({"name": ["b"], "chain_1": ["A"], "chain_2": ["B"], "ipsae": [0.7]})
    write_table(summary, tmp_path / "summary.parquet")
    write_table(pairs, tmp_path / "pairs.parquet")
    return tmp_path


def test_tables_are_asked_and_joined_in_sql(results):
    assert query_tables(results, "select name from summary where iptm > 0.8").name.tolist() == ["a"]
    joined = query_tables(results, "select s.iptm, p.ipsae from summary s join pairs p using (name)")
    assert joined.to_numpy().tolist() == [[0.2, 0.7]]


def test_what_is_wrong_is_named(results, tmp_path):
    with pytest.raises(InputError, match=r"tables are summary, pairs: .*nothing"):
        query_tables(results, "select nothing from summary")
    with pytest.raises(InputError, match="has no tables"):
        query_tables(tmp_path / "elsewhere", "select 1")


def test_the_command_prints_a_table_or_csv(results, capsys):
    sql = "select name, iptm from summary order by iptm"
    assert cli.main(["query", sql, "--results", str(results), "--csv"]) == 0
    assert capsys.readouterr().out == "name,iptm\nb,0.2\na,0.9\n"
    assert cli.main(["query", sql, "--results", str(results)]) == 0
    assert capsys.readouterr().out.split() == ["name", "iptm", "b", "0.2", "a", "0.9"]


def test_many_rows(tmp_path):
    n = 100_000
    scores = np.random.default_rng(0).random(n)
    write_table(pd.DataFrame({"name": [f"t{i}" for i in range(n)], "iptm": scores}), tmp_path / "summary.parquet")
    found = query_tables(tmp_path, "select name from summary order by iptm desc limit 10")
    assert found.name.tolist() == [f"t{i}" for i in np.argsort(-scores)[:10]]


def test_the_best_results_are_said_in_a_line_each():
    table = pd.DataFrame(
        {
            "name": [f"t{i}" for i in range(7)],
            "status": "done",
            "rank": 1,
            "ranking_score": np.linspace(0.9, 0.3, 7),
            "plddt": 80.0,
            "ptm": 0.5,
            "iptm": [0.6] + 6 * [np.nan],
            "ipsae": np.nan,
            "structure": [f"predictions/t{i}/t{i}_model.cif" for i in range(7)],
        }
    )
    lines = best_results(table)
    assert len(lines) == 6
    assert lines[0] == "t0: ranking score 0.900, pLDDT 80.0, pTM 0.50, ipTM 0.60: predictions/t0/t0_model.cif"
    assert lines[1].startswith("t1: ranking score 0.800, pLDDT 80.0, pTM 0.50: ")
    assert lines[5] == "and 2 more in the table"
