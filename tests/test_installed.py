"""The wheel, installed where the repository is not: it holds all that a run needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pfold.config import config_schema, load_config, parse_config
from pfold.errors import ConfigError
from pfold.project import init_project, new_configuration, workflow_command
from tests.conftest import REPOSITORY
from tests.runs import TINY


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A virtual environment with the wheel; pfold's dependencies are this one's."""
    folder = tmp_path_factory.mktemp("installed")
    # From a copy without what a build or a run has left, as a clone is.
    source = folder / "source"
    tracked = ("pfold", "kernels", "workflow", "profiles", "config")
    for name in tracked:
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source)]
    subprocess.run(wheel, check=True)
    shutil.rmtree(source)
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin/python"
    (file,) = folder.glob("*.whl")
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(file)]
    subprocess.run(install, check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment


def run(environment: Path, folder: Path, *arguments: str, code: int = 0) -> str:
    """Run pfold of an environment in a folder; what it says."""
    settings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(environment / "bin/pfold"), *arguments]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False, timeout=500)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def test_an_installed_package_runs_the_workflow(installed, tmp_path):
    """init, doctor and run, in a folder and an environment without the repository."""
    from pfold.kernels.build import KernelBuildError, kernel_library

    try:
        # The library of the same sources: what is tested is that they are found, not the compiler again.
        library = kernel_library()
        there = installed / "share/pfold/kernels" / library.name
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, there)
    except KernelBuildError:
        there = None
    assert "config.yaml" in run(installed, tmp_path, "init", "mine")
    folder = tmp_path / "mine"
    (folder / "my_proteome.fasta").write_text(">trp_cage\nNLYIQWLKDGGPSSGRPPPS\n>odd\nMK1\n")
    configuration = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration | TINY))
    said = run(installed, folder, "doctor", "--config", "config.yaml")
    assert "MISSING" not in said
    if there is not None:
        assert str(there) in said
    run(installed, folder, "run")
    summary = pd.read_csv(folder / "results/summary.csv")
    assert summary.status.tolist() == ["done", "done", "rejected"]
    assert str(REPOSITORY) not in "".join(path.read_text() for path in (folder / "results/logs").glob("*.log"))
    # Nothing is left to do; an option behind "--" is Snakemake's.
    assert "Nothing to be done" in run(installed, folder, "run", "--", "--dry-run")


def test_what_a_new_folder_holds(tmp_path):
    written = init_project(tmp_path / "new")
    assert [path.name for path in written] == ["config.yaml"] * 4
    config = load_config(tmp_path / "new/config.yaml")
    default = parse_config({"targets": ["x.fasta"]})
    for key in config_schema()["properties"]:
        if key not in ("targets", "results", "store", "search", "batch"):
            assert getattr(config, key) == getattr(default, key), key
    assert (config.search, config.templates, config.batch) == (default.search, default.templates, default.batch)
    text = new_configuration()
    assert "demo" not in text.lower()
    assert text.count("\n#") > 30
    with pytest.raises(ConfigError, match=r"config\.yaml is there already, and is not replaced"):
        init_project(tmp_path / "new")


def test_a_workflow_without_configuration_or_profile_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml does not exist; `pfold init` writes a configuration"):
        workflow_command(tmp_path / "gone.yaml", "local", [])
    init_project(tmp_path)
    command = workflow_command(tmp_path / "config.yaml", "slurm", ["--dry-run"])
    assert str(tmp_path / "profiles/slurm") in command
    assert command[-3:] == ["--dry-run", "--configfile", str(tmp_path / "config.yaml")]
    with pytest.raises(ConfigError, match='no profile "pbs"; name a folder, or one of ascend-cluster, local, slurm'):
        workflow_command(tmp_path / "config.yaml", "pbs", [])
