"""Rule summary."""

from pfold.stages import run_rule, run_summary

run_rule(snakemake.config, snakemake.log[0], run_summary)  # noqa: F821
