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
    script:
        "../scripts/summary.py"


rule check:
    input:
        summary=f"{RESULTS}/summary.parquet",
    output:
        f"{RESULTS}/check.txt",
    params:
        max_failed=CONFIG.max_failed,
    log:
        f"{RESULTS}/logs/check.log",
    script:
        "../scripts/check.py"
