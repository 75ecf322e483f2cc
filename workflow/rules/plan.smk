checkpoint plan:
    input:
        targets=f"{RESULTS}/receipts/targets.json",
    output:
        receipt=f"{RESULTS}/receipts/plan.json",
    log:
        f"{RESULTS}/logs/plan.log",
    conda:
        "../envs/pfold.yaml"
    script:
        "../scripts/plan.py"
