"""Shared fixtures: the goldens and real data beside the project where they are, and small runs."""

import functools
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("GLOG_v", "3")
# Operators get memory that is no number: what reads it before it was written shows (kernels/cpu/memory.h).
os.environ.setdefault("PFOLD_POISON_MEMORY", "1")

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared"
DATA = Path(__file__).parent / "data"
DEMO = REPOSITORY / "config/demo"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "shared: needs the reference data in ../shared, which is not part of the project"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="the reference data in ../shared is not there")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


class Golden:
    """A recorded run of the reference: features, noise, stages and results."""

    def __init__(self, path: Path, inputs: Path | None) -> None:
        self.inputs = inputs
        self.arrays = dict(np.load(path))
        self.model = str(self.arrays["model"])
        self.features = self._under("feat_")
        if "esm_seed" in self.arrays:
            # Language-model embeddings were drawn, and are drawn again instead of kept.
            shape = (len(self.features["token_index"]), 2560)
            drawn = np.random.default_rng(int(self.arrays["esm_seed"])).standard_normal(shape)
            self.features["esm_token_embedding"] = drawn.astype(np.float32)
        self.noise = self._under("noise_")
        self.sampling = {key: int(self.arrays[key]) for key in ("n_cycle", "n_step", "n_sample")}

    def _under(self, prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}


# Recorded runs and their inputs: the shared one with every stage, and a hetero-trimer of the project's own with the
# base model, made with the shared reference scripts (cycle=2 step=3 sample=1) and kept without its largest arrays.
GOLDENS = {
    "monomer": (
        SHARED / "goldens/monomer.protenix_tiny_default_v0.5.0.npz",
        SHARED / "goldens/inputs/monomer.json",
    ),
    "complex": (SHARED / "goldens/complex.protenix_mini_default_v0.5.0.npz", SHARED / "goldens/inputs/complex.json"),
    "nucleic_template": (
        SHARED / "goldens/nucleic_template.protenix_base_default_v1.0.0.npz",
        SHARED / "goldens/inputs/nucleic.json",
    ),
    "hetero": (DATA / "hetero.protenix_base_default_v0.5.0.npz", DATA / "hetero.json"),
    "contact": (DATA / "contact.protenix_base_constraint_v0.5.0.npz", DATA / "features/contact.json"),
    "embedded": (DATA / "ids.protenix_mini_esm_v0.5.0.npz", None),
    "template": (DATA / "template.protenix-v2.npz", None),
}
ALL_GOLDENS = [
    *(pytest.param(n, marks=pytest.mark.shared) for n in ("monomer", "complex", "nucleic_template")),
    "hetero",
]


@functools.cache
def load_golden(name: str) -> Golden:
    return Golden(*GOLDENS[name])


@pytest.fixture(scope="session")
def monomer() -> Golden:
    return load_golden("monomer")


@pytest.fixture(scope="session")
def tiny_model():
    """protenix_tiny with untrained weights, loaded once."""
    import pfold

    return pfold.load_model("protenix_tiny_default_v0.5.0", weights="untrained")


@pytest.fixture
def stand_in_here(tmp_path, monkeypatch):
    """The test's own folder to work in, and a stand-in model that takes no time."""
    from pfold.run import batch
    from tests.runs import StandInModel

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "load_model", lambda *_: StandInModel())
