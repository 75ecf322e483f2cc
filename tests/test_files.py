import gzip
import os

import pytest

from pfold import files
from pfold.errors import PfoldError
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


def test_digests_of_large_files_are_taken_once(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LARGE", 4)
    monkeypatch.setenv("PFOLD_CACHE", str(tmp_path / "cache"))
    taken = []
    digest_of = files.file_digest
    monkeypatch.setattr(files, "file_digest", lambda path: taken.append(path) or digest_of(path))
    (tmp_path / "db.fasta").write_text(">a\nMKT\n")
    first = files.large_file_digest(tmp_path / "db.fasta")
    files._large_digest.cache_clear()
    assert files.large_file_digest(tmp_path / "db.fasta") == first
    assert len(taken) == 1
    assert (tmp_path / "db.fasta.sha256").is_file()
    # Another file of the same size and an older time in its place.
    (tmp_path / "db.fasta").write_text(">a\nMKA\n")
    os.utime(tmp_path / "db.fasta", (1, 1))
    assert files.large_file_digest(tmp_path / "db.fasta") != first
    # Where its folder can't be written the note is in the user's cache.
    (tmp_path / "db.fasta.sha256").unlink()
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    for _ in range(2):
        files._large_digest.cache_clear()
        files.large_file_digest(tmp_path / "db.fasta")
    assert len(taken) == 3
    assert not (tmp_path / "db.fasta.sha256").exists()


def test_digests_of_many_files_follow_their_contents(tmp_path, monkeypatch):
    monkeypatch.setenv("PFOLD_CACHE", str(tmp_path / "cache"))
    paths = [tmp_path / "a.a3m", tmp_path / "b.a3m"]
    for path in paths:
        path.write_text(">q\nMKT\n")
    before = files.files_digest(paths)
    assert files.files_digest(paths) == before
    paths[1].write_text(">q\nMKA\n")
    os.utime(paths[1], (1, 1))
    assert files.files_digest(paths) != before
    paths[1].write_text(">q\nMKT\n")
    assert files.files_digest(paths) == before


def test_a_folder_is_emptied_only_if_it_is_pfolds(tmp_path):
    mine = tmp_path / "plan"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(PfoldError, match="plan is there already and was not made by pfold"):
        files.empty_folder(mine)
    assert (mine / "thesis.txt").read_text() == "mine"
    ours = files.empty_folder(tmp_path / "other")
    (ours / "sub").mkdir()
    (ours / "link").symlink_to(mine)
    assert sorted(p.name for p in files.empty_folder(ours).iterdir()) == [files.MARKER]
    assert (mine / "thesis.txt").is_file()


def test_a_damaged_record_is_named_and_counts_as_none(tmp_path, caplog):
    path = tmp_path / "x.json"
    assert files.read_record(path, "a") is None
    assert not caplog.records
    for content in ("", "{", "[1]", '{"b": 1}', "[" * 100_000, "\xff"):
        path.write_bytes(content.encode("latin-1"))
        caplog.clear()
        assert files.read_record(path, "a") is None
        assert f"{path} is damaged and passed over" in caplog.text
    path.write_text('{"a": 1}')
    assert files.read_record(path, "a") == {"a": 1}
