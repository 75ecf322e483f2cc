"""Rule check."""

from pfold.stages import run_check, run_rule

run_rule(snakemake.config, snakemake.log[0], run_check)  # noqa: F821
