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
