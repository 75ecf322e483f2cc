import datetime
import logging

import numpy as np
import pytest

import pfold
from pfold.errors import ConfigError, InputError, SearchError
from pfold.features.featurize import featurize
from pfold.features.schema import Features
from pfold.features.templates import with_pair_features
from pfold.msa.a3m import query_only
from pfold.run.inputs import target_features
from pfold.targets.types import Entity, Target, TemplateStructure
from pfold.templates.hits import TemplateHit, parse_hhr, parse_hit_a3m, read_template_hits
from pfold.templates.search import search_templates
from pfold.templates.select import align_pair, given_templates, map_template, select_templates
from pfold.templates.settings import TemplateSettings
from pfold.templates.store import TemplateHitStore
from pfold.templates.structures import ATOM37, find_structure, read_template_chain
from tests.conftest import DATA
from tests.runs import make_config

ALWAYS = datetime.date(2100, 1, 1)
HHR = """\
Query         q
No Hit
No 1
>1ABC_A some protein
Probab=99.00  E-value=1e-9  Score=100.00  Aligned_cols=5  Identities=90%  Similarity=1.0  Sum_probs=4.2

Q q                 1 MKTAY    5 (6)
Q Consensus         1 mktay    5 (6)
T Consensus        11 mktay   15 (99)
T 1abc_A           11 MKT-Y   15 (99)

No 2
>2xyz_B other
Probab=98.00  E-value=1e-8  Score=90.00  Aligned_cols=6  Identities=80%  Similarity=1.0  Sum_probs=5.5

Q q                 1 MKTAYI    6 (6)
T 2xyz_B            1 MRTAYI    6 (80)
"""


def test_hits_of_hmmsearch_are_read():
    text = ">query\nMKTAYI\n>1abc_A/3-8 [subseq from] mol:protein length:90  SOME\nMK-aaYI\n>x_y dna\nGG\n"
    assert parse_hit_a3m(text, "t.a3m") == [TemplateHit("1abc", "A", "MKAAYI", 4)]
    with pytest.raises(InputError, match=r't\.a3m: the hit "odd mol:protein" is not named'):
        parse_hit_a3m(">odd mol:protein\nMK\n", "t.a3m")


def test_hits_of_hhsearch_are_read_best_first(tmp_path):
    hits = parse_hhr(HHR, "t.hhr")
    assert [(h.pdb_id, h.chain, h.sequence, h.n_aligned, h.score) for h in hits] == [
        ("2xyz", "B", "MRTAYI", 6, 5.5),
        ("1abc", "A", "MKTY", 5, 4.2),
    ]
    with pytest.raises(InputError, match="can't be read as HHsearch's"):
        parse_hhr("No 1\n>odd\n", "t.hhr")
    with pytest.raises(InputError, match="the template hits can't be read"):
        read_template_hits(tmp_path / "gone.hhr")
    (tmp_path / "t.sto").write_text("")
    with pytest.raises(InputError, match=r"read from \.a3m and \.hhr files"):
        read_template_hits(tmp_path / "t.sto")


def test_pairs_of_an_alignment_skip_gaps():
    assert align_pair("MKTAYIAKQR", "MKTAIAKQR") == [(i, i - (i > 4)) for i in range(10) if i != 4]


@pytest.mark.shared
def test_chains_of_the_mirror(shared):
    path = find_structure(shared / "data/mmcif", "1K1A")
    chain = read_template_chain(path, "A")
    assert chain.sequence.startswith("MATRADEDGDTPLHIAVVQG")
    assert chain.positions.shape == (len(chain.sequence), 37, 3)
    assert chain.released == datetime.date(2001, 11, 21)
    assert chain.mask[:, ATOM37.index("CA")].sum() > 200
    with pytest.raises(InputError, match=r"has no 9zzz\.cif"):
        find_structure(shared / "data/mmcif", "9zzz")
    # Of a structure with one protein chain that chain is taken, whatever it is called.
    assert read_template_chain(path, "Q").sequence == chain.sequence
    with pytest.raises(InputError, match="there is no model"):
        read_template_chain("data_x", "A")


@pytest.mark.shared
def test_templates_are_filtered_and_mapped(shared, caplog):
    mirror = shared / "data/mmcif"
    query = read_template_chain(find_structure(mirror, "102m"), "A").sequence
    changed = "G" + query[1:100] + query[104:]
    hits = [
        TemplateHit("8f9h", "A", query[3:90], 87),
        TemplateHit("102m", "A", query[3:140], 137),
        TemplateHit("102m", "A", query[3:140], 137),
        TemplateHit("1k1a", "A", "MATR", 4),
        TemplateHit("9zzz", "A", query[5:120], 115),
    ]
    with caplog.at_level(logging.INFO):
        found = select_templates(changed, hits, mirror, datetime.date(2010, 1, 1))
    assert [t.name for t in found] == ["102m_A"]
    assert "8f9h_A: passed over: released 2023-11-08, after 2010-01-01" in caplog.text
    assert "9zzz_A: passed over" in caplog.text
    (template,) = found
    assert template.mask[5, ATOM37.index("CA")]
    assert template.sequence[1:99] == query[1:99]
    assert abs(template.positions[template.mask].mean()) < 0.5
    whole_copy = [TemplateHit("102m", "A", query, len(query))]
    assert select_templates(query, whole_copy, mirror, ALWAYS) == []


@pytest.mark.shared
def test_template_features_are_distances_and_directions(shared):
    structure = TemplateStructure(find_structure(shared / "data/mmcif", "1k1a"), "A")
    chain = read_template_chain(structure.structure, "A")
    query = chain.sequence[40:80]
    target = Target("t", (Entity("protein", query, ("A", "B"), templates=(structure,)),))
    features = featurize(target)
    assert Features(features)
    assert features["template_aatype"].shape == (4, 80)
    assert (features["template_aatype"][0] == features["msa"][0]).all()
    ca = chain.positions[40:80, ATOM37.index("CA")]
    cb = np.where(np.array(list(query))[:, None] == "G", ca, chain.positions[40:80, ATOM37.index("CB")])
    distance = np.linalg.norm(cb[:, None] - cb[None], axis=-1)
    bins = features["template_distogram"][0, :40, :40]
    i, j = np.nonzero(bins.sum(-1))
    lower = np.linspace(3.25, 50.75, 39)
    assert (distance[i, j] > lower[bins[i, j].argmax(-1)] - 1e-3).all()
    assert len(i) > 1000
    vectors = features["template_unit_vector"][0]
    length = np.linalg.norm(vectors[0, 1])
    assert length == pytest.approx(1, abs=1e-3)
    assert not features["template_distogram"][1:].any()


QUERY = "VLHVWAKVEAGGHGQDILIRLFKSHPETLEKFDRFKHLKTEAEMKASEDLKKAGVTVL"


@pytest.mark.shared
def test_template_features_equal_the_references(shared, tmp_path):
    """Made by the reference from the same hits and files: a homolog, and two chance hits."""
    expected = dict(np.load(DATA / "templates.npz"))
    hits = tmp_path / "t.a3m"
    rows = []
    for pdb_id, start, length in (("102m", 10, 58), ("1k1a", 40, 40), ("5zyh", 20, 50)):
        chain = read_template_chain(find_structure(shared / "data/mmcif", pdb_id), "A").sequence
        row = chain[start : start + length].ljust(len(QUERY), "-")
        rows.append(f">{pdb_id}_A/{start + 1}-{start + length} [subseq from] mol:protein length:{len(chain)}\n{row}\n")
    hits.write_text("".join(rows))
    target = Target("t", (Entity("protein", QUERY, ("A", "B"), templates=hits),))
    config = make_config(
        tmp_path,
        tmp_path,
        model="protenix_base_default_v1.0.0",
        search={"engine": "none", "templates": {"mmcif": str(shared / "data/mmcif")}},
    )
    features = with_pair_features(target_features(target, [""], config))
    n = len(QUERY)
    np.testing.assert_array_equal(features["template_aatype"][:3, :n], expected.pop("aatype"))
    for name in expected:
        for start in (0, n):
            own = features[name][0][start : start + n]
            own = own if "atom" in name or own.ndim == 1 else own[:, start : start + n]
            np.testing.assert_allclose(own, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.shared
def test_search_finds_the_chain_in_the_sequences_of_the_pdb(shared, tmp_path):
    sequence = read_template_chain(find_structure(shared / "data/mmcif", "102m"), "A").sequence
    other = read_template_chain(find_structure(shared / "data/mmcif", "1k1a"), "A").sequence
    seqres = tmp_path / "pdb_seqres.txt"
    seqres.write_text(
        f">102m_A mol:protein length:154  MYOGLOBIN\n{sequence}\n>1k1a_A mol:protein length:241  BCL-3\n{other}\n"
        ">1abc_B mol:na length:4  DNA\nGATC\n"
    )
    query = sequence[:60] + "GG" + sequence[62:]
    hits = search_templates(query_only(query), seqres)
    assert [(h.pdb_id, h.chain) for h in hits] == [("102m", "A")]
    config = make_config(
        tmp_path,
        tmp_path,
        model="protenix_base_default_v1.0.0",
        search={
            "engine": "none",
            "templates": {"seqres": str(seqres), "mmcif": str(shared / "data/mmcif"), "max_date": "2015-01-01"},
        },
    )
    target = Target("t", (Entity("protein", query, ("A",)),))
    features = target_features(target, ["key"], config)
    assert features["template_atom_mask"][0].any(axis=1).sum() > 140
    (stored,) = (config.store / "template_hits").rglob("*.json")
    assert TemplateHitStore(config.store / "template_hits").read(stored.stem) == hits
    with pytest.raises(SearchError, match=r"gone\.txt: can't be read"):
        search_templates(query_only(query), tmp_path / "gone.txt")


def test_wrong_templates_are_named(tmp_path):
    with pytest.raises(InputError, match="the template structure can't be read"):
        given_templates("MKT", [TemplateStructure("nonsense")])
    with pytest.raises(ConfigError, match=r"search\.templates\.seqres: .*gone does not exist"):
        TemplateSettings(seqres=tmp_path / "gone").check()
    with pytest.raises(ConfigError, match=r"search\.templates\.mmcif: the folder .* does not exist"):
        TemplateSettings(mmcif=tmp_path / "gone").check()
    (tmp_path / "seqres").write_text(">1abc_A mol:protein\nMKT\n")
    with pytest.raises(ConfigError, match=r"is set, but search\.templates\.mmcif, the structures, is not"):
        TemplateSettings(seqres=tmp_path / "seqres").check()


@pytest.mark.shared
def test_impossible_indices_are_named(shared):
    path = find_structure(shared / "data/mmcif", "1k1a")
    with pytest.raises(InputError, match="query residue 0 and template residue 999"):
        given_templates("MKT", [TemplateStructure(path, "A", ((0, 999),))])
    with pytest.raises(InputError, match="no atom of the template is aligned"):
        map_template("MKT", read_template_chain(path, "A"), [])


def test_hits_without_a_mirror_are_named(tmp_path):
    (tmp_path / "t.hhr").write_text(HHR)
    target = Target("t", (Entity("protein", "MKTAYI", ("A",), templates=tmp_path / "t.hhr"),))
    config = make_config(tmp_path, tmp_path, model="protenix_base_default_v1.0.0")
    with pytest.raises(InputError, match=r"set search\.templates\.mmcif to a folder"):
        target_features(target, ["key"], config)
    assert pfold.featurize(target)["template_aatype"].shape == (4, 6)
