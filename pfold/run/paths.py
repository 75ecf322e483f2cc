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
    def plan_table(self) -> Path:
        """Table of the plan: a row a target."""
        return self.plan / "plan.parquet"

    @property
    def summary(self) -> Path:
        """Summary table of the run."""
        return self.results / "summary.parquet"

    @property
    def pairs(self) -> Path:
        """Table of the pairs of chains of the run's targets."""
        return self.results / "pairs.parquet"

    @property
    def report(self) -> Path:
        """Front page of the report."""
        return self.results / "report" / "index.html"

    @property
    def partial_pairs(self) -> Path:
        """Table of the pairs of chains of a run that failed."""
        return self.results / "pairs_partial.parquet"

    @property
    def partial_summary(self) -> Path:
        """Summary table of a run that failed."""
        return self.results / "summary_partial.parquet"

    def job(self, kind: str, name: str) -> Path:
        """The plan's description of a job, of a kind of `pfold.run.jobs.JOB_KINDS`."""
        return self.plan / kind / f"{name}.json"

    @property
    def partial_report(self) -> Path:
        """Front page of the report of a run that failed."""
        return self.results / "report" / "partial.html"

    @property
    def configuration(self) -> Path:
        """The configuration of the last run, for commands that are given the results folder alone."""
        return self.receipts / "configuration.json"

    @property
    def receipts(self) -> Path:
        """Folder of the receipts of what is finished."""
        return self.results / "receipts"

    def jobs(self, kind: str) -> list[Path]:
        """The plan's descriptions of all jobs of a kind, in order of names."""
        return sorted((self.plan / kind).glob("*.json"))

    def stage_receipt(self, stage: str) -> Path:
        """The receipt that "targets", "plan", "summary" or "check" has finished."""
        return self.receipts / f"{stage}.json"

    def receipt(self, kind: str, name: str) -> Path:
        """The receipt that a job has finished."""
        return self.receipts / kind / f"{name}.json"
