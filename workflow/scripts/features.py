"""Rule features."""

from pfold.stages import run_features, run_rule

shard = snakemake.wildcards.shard  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], lambda config: run_features(config, shard))  # noqa: F821
