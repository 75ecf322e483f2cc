from pathlib import Path

from pfold.features.tokens import count_tokens
from pfold.targets.read import read_records
from pfold.targets.table import collect_targets, read_target_table, write_targets
from pfold.targets.types import Rejection


def test_duplicates_and_long_targets_are_rejected_and_the_table_round_trips(tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">a\nMKT:MKT\n>a\nGGG\n>long\n" + "M" * 50 + "\n")
    records = collect_targets(read_records(path), count_tokens, max_tokens=49)
    reasons = [r.reason for r in records if isinstance(r, Rejection)]
    assert f'the name is used before, by {path}, record 1 ("a"), line 1' in reasons[0]
    assert "50 tokens are over the limit of 49 (max_tokens in the configuration)" in reasons[1]

    table = tmp_path / "targets.parquet"
    write_targets(records, table)
    targets, rejections = read_target_table(table)
    assert [(t.target, t.folder, t.n_token) for t in targets] == [(records[0].target, "a", 6)]
    assert rejections == [r for r in records if isinstance(r, Rejection)]
    assert (tmp_path / "targets.csv").read_text().startswith("name,folder,target_id")


def test_demo_proteome_is_accepted():
    records = collect_targets(
        read_records(Path(__file__).parents[2] / "config/demo/proteome.fasta"), count_tokens, 2048
    )
    assert len(records) == 12
    assert not [r for r in records if isinstance(r, Rejection)]
    counts = {r.target.name: [e.count for e in r.target.entities] for r in records}
    assert counts["gcn4_zipper"] == [2]
    assert counts["insulin"] == [1, 1]
