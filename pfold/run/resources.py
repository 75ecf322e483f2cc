"""What a cluster is asked for on behalf of a job of the plan; a failed attempt asks for more (rules multiply)."""

import math

from pfold.config import RunConfig
from pfold.inference.buckets import MIN_ATOMS_PER_TOKEN
from pfold.inference.memory import Sizes, max_targets, predicted_memory
from pfold.run.jobs import FEATURES, SEARCH, Resources

MIB = 2**20
# MSA rows and bytes besides the model's that a first attempt reckons with.
USUAL_MSA = 2048
ALLOWANCE = 1.1
# A rescue batch, of targets that ran out of memory before, begins with this many times the memory.
RESCUE = 2
# Minutes to start a job and compile; margin on predicted times.
START_MINUTES = 10
TIME_MARGIN = 2
# Memory (MiB) of a process that searches or makes features, besides databases, and minutes an item.
PROCESS_MIB = 4000
ITEM_MINUTES = {SEARCH: 10, FEATURES: 1}


def predict_resources(config: RunConfig, bucket: int, n_target: int, tflop: float, *, rescue: bool) -> Resources:
    """mem_mb (MiB, as Snakemake's) and runtime (minutes) of a batch."""
    together = 1 if rescue else min(n_target, config.targets_per_pass or max_targets(bucket))
    sizes = Sizes(bucket, MIN_ATOMS_PER_TOKEN * bucket, USUAL_MSA, config.n_sample, together)
    peak = predicted_memory(config.model, config.dtype, sizes).peak
    minutes = TIME_MARGIN * predicted_minutes(config, tflop)
    return {
        "mem_mb": math.ceil(ALLOWANCE * peak / MIB) * (RESCUE if rescue else 1),
        "runtime": START_MINUTES + math.ceil(minutes),
    }


def shard_resources(config: RunConfig, kind: str, n_item: int) -> Resources:
    """mem_mb and runtime of a search or features shard; HMMER holds its databases in memory."""
    databases = 0
    if kind == SEARCH and config.search.engine == "jackhmmer":
        databases = sum(path.stat().st_size for path in (*config.search.databases, *config.search.rna_databases))
    return {
        "mem_mb": PROCESS_MIB + math.ceil(2 * databases / MIB),
        "runtime": START_MINUTES + n_item * ITEM_MINUTES[kind],
    }


def predicted_minutes(config: RunConfig, tflop: float) -> float:
    """Running time on a device of the configured rate."""
    return tflop / (config.batch.device_gflops * 60 / 1000)
