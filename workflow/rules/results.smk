rule summary:
    input:
        targets=f"{RESULTS}/targets.parquet",
        plan=f"{RESULTS}/plan",
        batches=planned_batches,
    output:
        csv=report(
            f"{RESULTS}/summary.csv",
            caption="../report/summary.rst",
            category="Summary",
        ),
        table=f"{RESULTS}/summary.parquet",
        html=report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Summary",
        ),
    log:
        f"{RESULTS}/logs/summary.log",
    conda:
        "../envs/pfold.yaml"
    script:
        "../scripts/summary.py"


rule check:
    input:
        summary=f"{RESULTS}/summary.parquet",
    output:
        f"{RESULTS}/check.txt",
    log:
        f"{RESULTS}/logs/check.log",
    conda:
        "../envs/pfold.yaml"
    params:
        max_failed=CONFIG.max_failed,
    script:
        "../scripts/check.py"
