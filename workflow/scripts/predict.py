"""Rule predict."""

from pfold.stages import run_predict, run_rule

batch = snakemake.wildcards.batch  # noqa: F821
run_rule(snakemake.config, snakemake.log[0], lambda config: run_predict(config, batch))  # noqa: F821
