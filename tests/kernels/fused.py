"""The CPU backend for tests of it; they are skipped, saying so, where it can't be compiled."""

import pytest

from pfold.kernels.build import KernelBuildError, kernel_library

try:
    kernel_library()
except KernelBuildError as error:
    pytest.skip(f"no fused operators here: {error}", allow_module_level=True)

from pfold.kernels import cpu as cpu
from pfold.kernels import library as library
