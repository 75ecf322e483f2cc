"""What a cluster is asked for on behalf of a job of the plan; a failed attempt asks for more (rules multiply)."""

import math

from pfold.config import RunConfig
from pfold.predict.buckets import FEWEST_ATOMS_PER_TOKEN
from pfold.predict.memory import most_targets, predicted_memory

MIB = 2**20
# Alignment rows and bytes besides the model's that a first attempt reckons with.
USUAL_MSA = 2048
ALLOWANCE = 1.1
# A rescue batch, of targets that ran out of memory before, begins with this many times the memory.
RESCUE = 2
# Minutes to start a job and compile; margin on predicted times.
START_MINUTES = 10
TIME_MARGIN = 2
# Memory (MiB) of a process that searches or makes features, besides databases, and minutes an item.
PROCESS_MIB = 4000
ITEM_MINUTES = {"search": 10, "features": 1}

Resources = dict[str, int]


def predict_resources(config: RunConfig, bucket: int, n_target: int, tflop: float, rescue: bool) -> Resources:
    """mem_mb (MiB, as Snakemake's) and runtime (minutes) of a batch."""
    together = 1 if rescue else min(n_target, config.targets_per_pass or most_targets(bucket))
    n_atom = FEWEST_ATOMS_PER_TOKEN * bucket
    peak = predicted_memory(config.model, config.dtype, bucket, n_atom, USUAL_MSA, config.n_sample, together).peak
    minutes = TIME_MARGIN * predicted_minutes(config, tflop)
    return {
        "mem_mb": math.ceil(ALLOWANCE * peak / MIB) * (RESCUE if rescue else 1),
        "runtime": START_MINUTES + math.ceil(minutes),
    }


def shard_resources(config: RunConfig, stage: str, n_item: int) -> Resources:
    """mem_mb and runtime of a shard of "search" or "features"; HMMER holds its databases in memory."""
    databases = 0
    if stage == "search" and config.search.engine == "jackhmmer":
        databases = sum(path.stat().st_size for path in (*config.search.databases, *config.search.rna_databases))
    return {
        "mem_mb": PROCESS_MIB + math.ceil(2 * databases / MIB),
        "runtime": START_MINUTES + n_item * ITEM_MINUTES[stage],
    }


def predicted_minutes(config: RunConfig, tflop: float) -> float:
    """Running time on a device of the configured rate."""
    return tflop / (config.batch.device_gflops * 60 / 1000)
