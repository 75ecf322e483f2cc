rule targets:
    input:
        TARGET_FILES,
    output:
        table=f"{RESULTS}/targets.parquet",
        csv=f"{RESULTS}/targets.csv",
    log:
        f"{RESULTS}/logs/targets.log",
    conda:
        "../envs/pfold.yaml"
    params:
        max_tokens=CONFIG.max_tokens,
    script:
        "../scripts/targets.py"
