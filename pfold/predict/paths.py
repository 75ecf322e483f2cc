"""Where a run keeps its files; the workflow's rules name the same places."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """Paths below a run's results folder."""

    results: Path

    @property
    def targets(self) -> Path:
        """Table of all records."""
        return self.results / "targets.parquet"

    @property
    def plan(self) -> Path:
        """Folder of the plan: plan.csv, plan.parquet, and one file a search shard, features shard and batch."""
        return self.results / "plan"

    @property
    def predictions(self) -> Path:
        """Folder of all result folders."""
        return self.results / "predictions"

    @property
    def failures(self) -> Path:
        """Folder of the failures of targets, one file each."""
        return self.results / "failures"

    @property
    def running(self) -> Path:
        """Folder of notes of the targets that are being folded, one file a job."""
        return self.results / "running"

    @property
    def lost(self) -> Path:
        """Note of finished results that are gone, and of failures to retry: the plan depends on it."""
        return self.results / "lost.json"

    @property
    def summary(self) -> Path:
        """Summary table of the run."""
        return self.results / "summary.parquet"

    def job(self, stage: str, name: str) -> Path:
        """The plan's description of a job of "search", "features" or "predict"."""
        return self.plan / stage / f"{name}.json"

    def receipt(self, stage: str, name: str) -> Path:
        """The receipt that a job has finished."""
        return self.results / "receipts" / stage / f"{name}.json"
