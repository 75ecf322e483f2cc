"""Every backend has every operator of the seam, with the same arguments."""

import importlib
import inspect

import pytest

from pfold import kernels
from pfold.kernels.build import KernelBuildError, kernel_library

# What the seam does itself.
OWN = {"use", "backend", "in_place", "explained"}


def operators() -> dict[str, inspect.Signature]:
    functions = inspect.getmembers(kernels, inspect.isfunction)
    mine = {name: f for name, f in functions if f.__module__ == "pfold.kernels" and not name.startswith("_")}
    return {name: inspect.signature(f) for name, f in mine.items() if name not in OWN}


@pytest.mark.parametrize("name", kernels.BACKENDS)
def test_a_backend_has_every_operator_with_the_seams_arguments(name):
    if name == "cpu":
        try:
            kernel_library()
        except KernelBuildError as error:
            pytest.skip(f"no fused operators here: {error}")
    backend = importlib.import_module(f"pfold.kernels.{name}")
    assert isinstance(backend.IN_PLACE, bool)
    expected = operators()
    assert len(expected) == 23
    for operator, signature in expected.items():
        assert inspect.signature(getattr(backend, operator)) == signature, operator
