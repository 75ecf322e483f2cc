"""What a run makes of targets that its model can't take in full."""

import logging

import pandas as pd

from pfold.run.paths import RunPaths
from pfold.stages import run_features, run_plan, run_targets
from tests.conftest import DATA
from tests.runs import make_config

CONTACT = DATA / "features/contact.json"


def table(config) -> pd.DataFrame:
    run_targets(config)
    return pd.read_parquet(RunPaths(config.results).targets).set_index("name")


def test_constraints_are_for_the_model_that_takes_them(tmp_path):
    tiny = make_config(tmp_path / "tiny", CONTACT)
    assert (
        "takes no contacts and pockets; fold this target with protenix_base_constraint" in table(tiny).reason["contact"]
    )
    constraint = make_config(tmp_path / "base", CONTACT, model="protenix_base_constraint_v0.5.0")
    assert table(constraint).n_token["contact"] == 60


def test_what_a_model_does_not_use_is_logged(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/t.hhr").write_text("")
    (tmp_path / "in/r.a3m").write_text(">q\nGGCU\n")
    (tmp_path / "in/job.json").write_text(
        '[{"name": "x", "sequences": [{"proteinChain": {"sequence": "MKTAYI", "templatesPath": "t.hhr"}},'
        '{"rnaSequence": {"sequence": "GGCU", "unpairedMsaPath": "r.a3m"}}]}]'
    )
    with caplog.at_level(logging.WARNING):
        table(make_config(tmp_path, tmp_path / "in/job.json"))
    assert "x: its templates are not used: protenix_tiny_default_v0.5.0 takes none" in caplog.text
    assert "x: its alignment of RNA is not used (use_rna_msa)" in caplog.text


def test_unbuildable_targets_are_rejected_before_anything_runs(tmp_path):
    (tmp_path / "job.json").write_text(
        '[{"name": "odd", "sequences": [{"ligand": {"ligand": "CCD_Q0Q0Q", "count": 1}}]},'
        '{"name": "good", "sequences": [{"ligand": {"ligand": "CCD_GOL", "count": 2}}]}]'
    )
    found = table(make_config(tmp_path, tmp_path / "job.json"))
    assert found.status.to_dict() == {"odd": "rejected", "good": "accepted"}
    assert '"Q0Q0Q" is not a component' in found.reason["odd"]
    assert (found.n_token["good"], found.n_chain["good"]) == (12, 2)


def test_rna_is_searched_for_models_that_take_it(tmp_path):
    query = "GGCUAGCCUUAGGCAUCGAUUCGAUCGGAUCCGAUUAGGCAUCGAUUCGGAUGC"
    (tmp_path / "rna.fasta").write_text(f">same\n{query}\n")
    (tmp_path / "job.json").write_text(
        f'[{{"name": "r", "sequences": [{{"rnaSequence": {{"sequence": "{query}", "count": 1}}}}]}}]'
    )
    search = {"engine": "none", "rna_databases": [str(tmp_path / "rna.fasta")]}
    for model, n_search in (("protenix_tiny_default_v0.5.0", 0), ("protenix_base_default_v1.0.0", 1)):
        config = make_config(tmp_path / model, tmp_path / "job.json", model=model, search=search)
        run_targets(config)
        run_plan(config)
        plan = RunPaths(config.results).plan
        assert len(list((plan / "search").glob("*.json"))) == n_search
    (shard,) = (plan / "features").glob("*.json")
    run_features(config, shard.stem)
    failures = list(RunPaths(config.results).failures.glob("*.json"))
    assert len(failures) == 1
    assert "the search found no alignment of GGCUAGCCUUAGGCAUCGAU... (54 residues)" in failures[0].read_text()
