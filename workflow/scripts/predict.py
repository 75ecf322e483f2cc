"""Rule predict."""

from pfold.stages import run_predict, run_rule

batch, threads = snakemake.wildcards.batch, snakemake.threads  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], lambda config: run_predict(config, batch, threads))  # noqa: F821
