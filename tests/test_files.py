import gzip

import pytest

from pfold import files
from pfold.files import (
    atomic_file,
    atomic_folder,
    digest,
    file_digest,
    large_file_digest,
    read_unpacked,
    remove_leftovers,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    folder = tmp_path / "d"
    with atomic_folder(folder) as temporary:
        (temporary / "x").write_text("1")

    def fail() -> None:
        with atomic_folder(folder) as temporary:
            (temporary / "x").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (folder / "x").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_digest_depends_on_values_only():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest("ab", "c") != digest("a", "bc")


def test_leftovers_of_a_killed_write_are_removed_and_those_of_others_kept(tmp_path):
    for name in (".d.abcd_123.tmp", ".d.abcd1234.old", ".d.e.abcd1234.tmp", ".other.abcd1234.tmp", "d"):
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path / "d")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".d.e.abcd1234.tmp", ".other.abcd1234.tmp", "d"]
    remove_leftovers(tmp_path / "missing" / "d")


def test_digests_of_large_files_are_kept_while_they_do_not_change(tmp_path, monkeypatch):
    path = tmp_path / "db.fasta"
    path.write_bytes(b">a\nMKT\n")
    assert large_file_digest(path) == file_digest(path)
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(files, "_LARGE", 1)
    first = large_file_digest(path)
    assert (tmp_path / "db.fasta.sha256").is_file()
    monkeypatch.setattr(files, "file_digest", lambda _: "new")
    assert large_file_digest(path) == first
    path.write_bytes(b">a\nMKTA\n")
    assert large_file_digest(path) == "new"


def test_damaged_gzip_files_are_read_errors(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"some text " * 100)[:-10])
    with pytest.raises(OSError, match="damaged gzip file"):
        read_unpacked(tmp_path / "a.gz")
