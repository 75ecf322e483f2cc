"""Rule search."""

from pfold.stages import run_rule, run_search

shard, threads = snakemake.wildcards.shard, snakemake.threads  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], lambda config: run_search(config, shard, threads))  # noqa: F821
