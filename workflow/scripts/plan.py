"""Rule plan."""

from pfold.stages import run_plan, run_rule

run_rule(snakemake.config, snakemake.log[0], run_plan)  # noqa: F821
