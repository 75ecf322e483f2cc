"""Folders in which the real Snakefile runs."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from tests.conftest import REPOSITORY
from tests.runs import TINY, write_fasta

SEQUENCES = {"trp_cage": "NLYIQWLKDGGPSSGRPPPS", "insulin_a": "GIVEQCCTSICSLYQLENYCN", "poly": "GGGSSGGGSSGGGSSGGGSS"}
TIMEOUT = 300


class Run(NamedTuple):
    """What a run of Snakemake did: the rules it ran, its output and exit code."""

    rules: Counter[str]
    output: str
    code: int


class Workspace:
    """A folder with a configuration and targets, in which the repository's Snakefile runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"

    def configure(self, **changes: object) -> None:
        search = {"engine": "jackhmmer", "databases": ["config/demo/database.fasta"]}
        config = TINY | {"targets": ["p.fasta"], "results": "results", "search": search} | changes
        (self.folder / "my.yaml").write_text(yaml.safe_dump(config))

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
        return [*snakemake, *arguments, "--configfile", "my.yaml"]

    def run(self, *arguments: str) -> Run:
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        return self.describe(done.stdout + done.stderr, done.returncode)

    @staticmethod
    def describe(output: str, code: int) -> Run:
        rules = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", output, re.MULTILINE)
        return Run(Counter(rule for rule in rules if rule != "all"), output, code)

    def pfold(self, *arguments: str) -> list[str]:
        """The lines that a command of pfold prints."""
        command = [sys.executable, "-m", "pfold.cli", *arguments, "--config", "my.yaml"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def add_job(self, name: str, msa: str) -> None:
        """Add a target with an alignment file of its own."""
        chain = {"sequence": "MKTAYI", "count": 1, "unpairedMsaPath": msa}
        (self.folder / "jobs.json").write_text(json.dumps([{"name": name, "sequences": [{"proteinChain": chain}]}]))
        self.configure(targets=["p.fasta", "jobs.json"])

    def receipts(self) -> dict[str, int]:
        """Time of writing of each finished result, by folder name."""
        return {p.parent.name: p.stat().st_mtime_ns for p in self.results.glob("predictions/[!.]*/result.json")}

    def summary(self) -> pd.DataFrame:
        return pd.read_csv(self.results / "summary.csv")


def new_workspace(folder: Path, **sequences: str) -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "config").symlink_to(REPOSITORY / "config")
    write_fasta(folder / "p.fasta", **sequences)
    workspace = Workspace(folder)
    workspace.configure()
    return workspace
