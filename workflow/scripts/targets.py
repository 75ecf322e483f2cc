"""Rule targets."""

from pfold.stages import run_targets, run_rule

run_rule(snakemake.config, snakemake.log[0], run_targets)  # noqa: F821
