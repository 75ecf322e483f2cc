"""Every backend has every operator of the seam, with the same arguments."""

import importlib
import inspect

import pytest

from pfold import kernels
from pfold.kernels.build import KernelBuildError, kernel_library

# What the seam does itself.
OWN = {"use", "backend", "in_place", "explained", "differentiable"}
# What training alone calls, and the backends that serve it.
OF_TRAINING, TRAINING_BACKENDS = {"condition_pairs", "smooth_lddt"}, ("reference", "training")


def operators() -> dict[str, inspect.Signature]:
    functions = inspect.getmembers(kernels, inspect.isfunction)
    mine = {name: f for name, f in functions if f.__module__ == "pfold.kernels" and not name.startswith("_")}
    return {name: inspect.signature(f) for name, f in mine.items() if name not in OWN}


@pytest.mark.parametrize("name", kernels.BACKENDS)
def test_a_backend_has_every_operator_with_the_seams_arguments(name):
    if name in ("cpu", "training"):
        try:
            kernel_library()
        except KernelBuildError as error:
            pytest.skip(f"no fused operators here: {error}")
    backend = importlib.import_module(f"pfold.kernels.{name}")
    assert isinstance(backend.IN_PLACE, bool)
    expected = operators()
    if name not in TRAINING_BACKENDS:
        expected = {operator: s for operator, s in expected.items() if operator not in OF_TRAINING}
    assert len(expected) == 23 + len(OF_TRAINING) * (name in TRAINING_BACKENDS)
    for operator, signature in expected.items():
        assert inspect.signature(getattr(backend, operator)) == signature, operator
