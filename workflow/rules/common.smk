"""The checked configuration, and what the jobs of the plan wait for."""

import json
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError

from pfold.config import parse_config
from pfold.config_file import layered_config
from pfold.errors import PfoldError
from pfold.run.lock import check_scheduler, hold_results

try:
    # Jobs read the configuration from here. Without --configfile it is the demo's.
    files = workflow.overwrite_configfiles or [
        Path(workflow.basedir) / "config/config.yaml"
    ]
    config.update(layered_config(files, workflow.config_settings.config))
    CONFIG = parse_config(config)
    # What is no longer true of an earlier run is forgotten before Snakemake looks. Jobs need not look again.
    if workflow.is_main_process:
        from pfold.stages import begin_run

        for line in begin_run(CONFIG):
            print(line)
except PfoldError as error:
    raise WorkflowError(str(error)) from None

RESULTS = str(CONFIG.results)

if CONFIG.environment:
    shell.prefix(f"source {quote(str(CONFIG.environment.absolute()))}; ")


def receipts(stage, names):
    """Paths of the receipts of jobs."""
    return [f"{RESULTS}/receipts/{stage}/{name}.json" for name in names]


def planned_batches(wildcards):
    """Receipts of every batch of the plan (the only access to the checkpoint)."""
    checkpoints.plan.get()
    folder = Path(RESULTS) / "plan/predict"
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
