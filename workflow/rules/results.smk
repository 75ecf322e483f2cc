rule summary:
    input:
        plan=f"{RESULTS}/receipts/plan.json",
        batches=planned_batches,
    output:
        receipt=f"{RESULTS}/receipts/summary.json",
        csv=report(
            f"{RESULTS}/summary.csv",
            caption="../report/summary.rst",
            category="Summary",
        ),
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
        summary=f"{RESULTS}/receipts/summary.json",
    output:
        receipt=f"{RESULTS}/receipts/check.json",
    log:
        f"{RESULTS}/logs/check.log",
    conda:
        "../envs/pfold.yaml"
    script:
        "../scripts/check.py"
