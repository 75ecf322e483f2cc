rule targets:
    input:
        TARGET_FILES,
    output:
        table=f"{RESULTS}/targets.parquet",
        csv=f"{RESULTS}/targets.csv",
    params:
        max_tokens=CONFIG.max_tokens,
    log:
        f"{RESULTS}/logs/targets.log",
    script:
        "../scripts/targets.py"
