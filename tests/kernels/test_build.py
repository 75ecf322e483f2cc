"""Where the fused operators come from, and what happens where they can't be compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pfold.kernels import build

PROGRAM = """
import logging
logging.basicConfig(format="%(message)s")
import pfold.kernels
print(pfold.kernels.backend(), pfold.kernels.in_place())
"""


def run(**environment: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if k not in ("CXX", "PFOLD_BACKEND")}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False)


def test_without_a_compiler_the_reference_operators_serve_and_the_log_says_so(tmp_path):
    done = run(PATH=str(tmp_path), PFOLD_CACHE=str(tmp_path))
    assert done.stdout.split() == ["reference", "False"]
    said = [line for line in done.stderr.splitlines() if "fused operators" in line]
    assert said == [
        "no fused operators (there is no C++ compiler (set CXX, or install g++)); the slower reference operators serve"
    ]


def test_set_up_compiles_without_any_package(tmp_path):
    """`make setup` does so beside pip: without packages the build gets as far as looking for a compiler."""
    root = Path(build.__file__).parents[2]
    environment = {"PYTHONPATH": str(root), "PATH": str(tmp_path), "PFOLD_CACHE": str(tmp_path)}
    command = [sys.executable, "-S", "-P", build.__file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("there is no C++ compiler")


def test_an_unknown_backend_is_an_error():
    done = run(PFOLD_BACKEND="cuda")
    assert done.returncode != 0
    assert 'PFOLD_BACKEND is "cuda"; use one of reference, cpu, ascend' in done.stderr


def test_a_compiler_that_fails_says_what_it_was_asked(tmp_path, monkeypatch):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("PFOLD_CACHE", str(tmp_path))
    with pytest.raises(build.KernelBuildError, match=r"operators.cpp .* failed:\nno such option"):
        build.kernel_library()
    assert not list((tmp_path / "kernels").glob("*.so"))


def test_the_environment_has_the_library_for_all_who_use_it(tmp_path, monkeypatch):
    monkeypatch.delenv("PFOLD_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(build, "_build", lambda _, library: (library.parent.mkdir(parents=True), library.touch()))
    library = build.kernel_library()
    assert library.parent == tmp_path / "venv/share/pfold/kernels"
    # Whoever has no compiler is served too.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert build.kernel_library() == library
    # Where a user's cache has it already, set-up gives the environment a copy.
    cached = tmp_path / "home/.cache/pfold/kernels" / library.name
    cached.parent.mkdir(parents=True)
    library.rename(cached)
    build.install_library()
    assert library.is_file()
    # Where the environment can't be written, the user's cache is the place.
    library.unlink()
    cached.unlink()
    monkeypatch.setattr(build, "_writable", lambda folder: "venv" not in str(folder))
    monkeypatch.setattr(build, "_compiler", lambda: "g++")
    monkeypatch.setattr(build, "_build", lambda _, library: library.touch())
    assert build.kernel_library() == cached
