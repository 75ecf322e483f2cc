import gzip
from pathlib import Path

import pytest

from pfold.errors import ConfigError, SearchError
from pfold.msa.engines import check_search
from pfold.msa.engines.engine import Query
from pfold.msa.engines.jackhmmer import Jackhmmer
from pfold.msa.pairing import species_of
from pfold.msa.settings import SearchSettings
from pfold.msa.shard import search_shard
from pfold.msa.store import AlignmentStore, alignment_id

DATABASE = Path(__file__).parents[2] / "config/demo/database.fasta"
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def columns(sequence: str) -> int:
    return sum(c.isupper() or c == "-" for c in sequence)


def test_demo_search_finds_the_simulated_homologs():
    found = Jackhmmer(SearchSettings(databases=(DATABASE,))).search_one(UBIQUITIN)
    assert found.sequences[0] == UBIQUITIN
    assert len(found) == 29
    assert all(columns(s) == len(UBIQUITIN) for s in found.sequences)
    assert all("SIM09" in d for d in found.descriptions[1:])


def test_databases_are_merged_and_hits_limited():
    settings = SearchSettings(databases=(DATABASE, DATABASE), max_hits=5)
    assert len(Jackhmmer(settings).search_one(UBIQUITIN)) == 6


def test_no_homolog_leaves_the_query():
    found = Jackhmmer(SearchSettings(databases=(DATABASE,))).search_one("WWWWHHHHWWWWHHHHCCCC")
    assert found.descriptions == ("query",)


def test_settings_and_database_content_are_the_identity(tmp_path):
    copy = tmp_path / "copy.fasta"
    copy.write_bytes(DATABASE.read_bytes())
    one, same = (Jackhmmer(SearchSettings(databases=(path,))) for path in (DATABASE, copy))
    assert one.identity() == same.identity()
    assert one.identity() != Jackhmmer(SearchSettings(databases=(DATABASE,), e_value=1e-3)).identity()
    copy.write_text(">more\nMKT\n")
    assert one.identity() != same.identity()


def test_missing_and_broken_databases_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.fasta does not exist"):
        check_search(SearchSettings(databases=(tmp_path / "gone.fasta",)))
    with pytest.raises(ConfigError, match=r"search\.databases is empty"):
        check_search(SearchSettings())
    broken = tmp_path / "broken.fasta"
    broken.write_text("this is no FASTA\n")
    with pytest.raises(SearchError, match=r"broken\.fasta: can't be read as protein FASTA"):
        Jackhmmer(SearchSettings(databases=(broken,))).search_one(UBIQUITIN)


def test_a_shard_searches_only_what_the_store_lacks(tmp_path, monkeypatch):
    store = AlignmentStore(tmp_path)
    settings = SearchSettings(databases=(DATABASE,))
    queries = [Query(alignment_id(s, "x"), s) for s in (UBIQUITIN, UBIQUITIN[:40])]
    searched = []
    search = Jackhmmer.search_one
    monkeypatch.setattr(Jackhmmer, "search_one", lambda self, s, *args: searched.append(s) or search(self, s, *args))
    search_shard(queries, settings, store, 1)
    assert searched == [query.sequence for query in queries]
    store.path(alignment_id(UBIQUITIN, "x")).unlink()
    searched.clear()
    search_shard(queries, settings, store, 1)
    assert searched == [UBIQUITIN]


def test_uniref_names_get_their_taxon(tmp_path):
    database = tmp_path / "uniref.fasta"
    homolog = UBIQUITIN[:30] + "A" + UBIQUITIN[31:]
    database.write_text(f">UniRef90_Q99 Ubiquitin n=2 Tax=Mus musculus TaxID=10090 RepID=X_MOUSE\n{homolog}\n")
    found = Jackhmmer(SearchSettings(databases=(database,))).search_one(UBIQUITIN)
    assert [species_of(d) for d in found.descriptions] == ["", "10090"]


@pytest.mark.shared
def test_real_search(shared, tmp_path):
    database = tmp_path / "real.fasta"
    database.write_bytes(gzip.decompress((shared / "data/real_sequences.fasta.gz").read_bytes()))
    name, query = (shared / "data/real_queries.fasta").read_text().split("\n")[:2]
    assert name == ">7r6r_0"
    found = Jackhmmer(SearchSettings(databases=(database,))).search_one(query, cpus=2)
    assert len(found) > 300
    assert all(columns(s) == len(query) for s in found.sequences)
