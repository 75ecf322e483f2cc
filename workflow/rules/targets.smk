rule targets:
    output:
        receipt=f"{RESULTS}/receipts/targets.json",
    log:
        f"{RESULTS}/logs/targets.log",
    conda:
        "../envs/pfold.yaml"
    script:
        "../scripts/targets.py"
