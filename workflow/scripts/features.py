"""Rule features."""

from pfold.stages import run_features, run_rule

shard, threads = snakemake.wildcards.shard, snakemake.threads  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], lambda config: run_features(config, shard, threads))  # noqa: F821
