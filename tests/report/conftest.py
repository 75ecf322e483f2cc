"""A finished run of twelve targets, folded by a model that takes no time."""

from pathlib import Path

import numpy as np
import pytest

from pfold import stages
from pfold.config import RunConfig
from pfold.features.featurize import featurize
from pfold.results.folder import write_result
from pfold.results.sample import ResultInfo, Sample
from pfold.run import batch as batches
from pfold.targets.types import Target
from tests.runs import StandInModel, make_config, write_fasta

# Eleven monomers, the longest the best, and a dimer; one record is rejected.
MONOMERS = {f"monomer_{n}": "MKTAYIAKQRQISFVKSHFSRQ"[: 8 + n] for n in range(11)}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> RunConfig:
    folder: Path = tmp_path_factory.mktemp("finished")
    fasta = write_fasta(folder / "p.fasta", **MONOMERS, dimer="GGGSWGGS:MKTAYIAK", bad="MKTJ")
    config = make_config(folder, fasta)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "load_model", lambda *_: StandInModel())
        stages.run_all(config)
    return config


def write_stand_in(folder: Path, target: Target) -> None:
    """Write a result of two samples, whose atoms' pLDDT climbs from 20 to 80."""
    out = StandInModel().predict(featurize(target), n_sample=2, noise=1)
    plddt = np.linspace(0.2, 0.8, len(out["coordinate"][0]))
    parts = zip(out["coordinate"], out["summary"], out["full_data"], strict=True)
    samples = [Sample(1, i, x, summary, {**full, "atom_plddt": plddt}) for i, (x, summary, full) in enumerate(parts)]
    info = ResultInfo("r1", "protenix_tiny_default_v0.5.0", True, 32, 7, 1.5, {"n_cycle": 1, "n_step": 5})
    write_result(folder, target, samples, info, "all")
