from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/check.smk"


localrules:
    all,
    targets,
    plan,
    summary,
    check,


wildcard_constraints:
    shard="[0-9a-f]{8}",
    batch="[0-9a-f]{8}",


rule all:
    default_target: True
    input:
        f"{RESULTS}/receipts/check.json",


onstart:
    if workflow.is_main_process:
        try:
            check_scheduler(workflow.executor_plugin.name)
            hold_results(CONFIG.results)
        except PfoldError as error:
            raise WorkflowError(str(error)) from None


onerror:
    # Imported here: it loads chemistry libraries, which every remote job would wait for.
    from pfold.stages import run_partial_summary

    run_partial_summary(CONFIG)
