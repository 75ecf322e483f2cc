import numpy as np
import pytest

from pfold.errors import InputError
from pfold.msa.a3m import format_a3m, parse_a3m, read_a3m, to_arrays


def test_insertions_gaps_and_ambiguous_letters():
    alignment = parse_a3m([">q", "MKTA", ">h", "aM-bcTB", ">h2", "MKUZ"], "MKTA", "x.a3m")
    msa, deletions = to_arrays(alignment)
    assert msa.tolist() == [[12, 11, 16, 0], [12, 31, 16, 3], [12, 11, 4, 6]]
    assert deletions.tolist() == [[0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]


def test_duplicates_go_by_aligned_columns():
    alignment = parse_a3m([">q", "MKT", ">a", "MKaT", ">b", "M-T"], "MKT", "x")
    assert alignment.deduplicated().descriptions == ("q", "b")


def test_text_round_trip():
    text = ">q\nMKT\n>a\nMaK-\n"
    assert format_a3m(parse_a3m(text.splitlines(), "MKT", "x")) == text


def test_empty_alignment_is_the_query():
    assert parse_a3m([], "MKT", "x").sequences == ("MKT",)


def test_rows_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(InputError, match=r'x\.a3m, row 2 \("short"\): 2 aligned columns, but the query has 3 residues'):
        parse_a3m([">q", "MKT", ">short", "MK"], "MKT", "x.a3m")
    with pytest.raises(InputError, match="does not start with a '>' line"):
        parse_a3m(["MKT"], "MKT", "x.a3m")
    with pytest.raises(InputError, match=r"gone\.a3m: the alignment file does not exist"):
        read_a3m(tmp_path / "gone.a3m", "MKT")


def test_profile_counts_every_row():
    msa, _ = to_arrays(parse_a3m([">q", "MK", ">a", "MR"], "MK", "x"))
    assert np.array_equal(msa, [[12, 11], [12, 1]])
