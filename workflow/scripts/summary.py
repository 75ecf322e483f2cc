"""Rule summary."""

import functools

from pfold.stages import run_rule, run_summary

stage = functools.partial(run_summary, cpus=snakemake.threads)  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], stage)  # noqa: F821
