"""Rule targets."""

from pfold.stages import run_rule, run_targets

run_rule(snakemake.config, snakemake.log[0], run_targets)  # noqa: F821
