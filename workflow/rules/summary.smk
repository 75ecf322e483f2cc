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
        pairs=report(
            f"{RESULTS}/pairs.csv",
            caption="../report/pairs.rst",
            category="Summary",
        ),
        html=f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/summary.log",
    conda:
        "../envs/pfold.yaml"
    threads: 4
    script:
        "../scripts/summary.py"
