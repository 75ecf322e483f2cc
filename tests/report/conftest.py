"""A finished run of twelve targets, folded by a model that takes no time."""

from pathlib import Path

import pytest

from pfold import stages
from pfold.config import RunConfig
from pfold.run import batch as batches
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
