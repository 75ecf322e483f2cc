"""The checked configuration, and what the jobs of the plan wait for."""

import json
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError

from pfold.config import parse_config
from pfold.errors import PfoldError
from pfold.predict.identity import weights_files
from pfold.predict.plan import note_lost_results
from pfold.targets.read import target_files

try:
    CONFIG = parse_config(config)
    TARGET_FILES = [str(path) for path in target_files(CONFIG.targets)]
    WEIGHTS_FILES = [str(path) for path in weights_files(CONFIG)]
    COMPONENTS = [str(CONFIG.components)] if CONFIG.components else []
    CONFIG.search.check()
except PfoldError as error:
    raise WorkflowError(str(error)) from None

RESULTS = str(CONFIG.results)

if CONFIG.environment:
    shell.prefix(f"source {quote(str(CONFIG.environment.absolute()))}; ")

# A deleted result must be made again, but rules know receipts of batches, not results: the plan depends on this note.
if workflow.is_main_process:
    for name in note_lost_results(CONFIG.results):
        print(f"{name}: its result is gone and will be made again")


def receipts(stage, names):
    """Paths of the receipts of jobs."""
    return [f"{RESULTS}/receipts/{stage}/{name}.json" for name in names]


def planned_batches(wildcards):
    """Receipts of every batch of the plan (the only access to the checkpoint)."""
    folder = Path(checkpoints.plan.get().output.plan) / "predict"
    return receipts("predict", sorted(path.stem for path in folder.glob("*.json")))


def needed(stage, job):
    """Receipts of the jobs of a stage that a job of the plan waits for."""
    return receipts(stage, json.loads(Path(job).read_text())["needs"])


def needed_searches(wildcards):
    """Receipts of the search shards that a features shard waits for."""
    return needed("search", f"{RESULTS}/plan/features/{wildcards.shard}.json")


def needed_features(wildcards):
    """Receipts of the features shards that a batch waits for."""
    return needed("features", f"{RESULTS}/plan/predict/{wildcards.batch}.json")


def retries(count):
    """Failed jobs are submitted anew, with more memory, instead of repeating themselves inside a cluster's job."""
    return count if workflow.is_main_process else 0


def planned(resource):
    """A resource of a job as the plan predicts it, more with each attempt."""

    def asked(wildcards, input, attempt):
        return attempt * json.loads(Path(input.job).read_text())["resources"][resource]

    return asked


def identity_settings():
    """Settings that results depend on: a change of any of them makes a new plan."""
    return {
        key: value
        for key, value in config.items()
        if key not in ("batch", "environment", "max_failed", "results")
    }
