rule targets:
    input:
        TARGET_FILES,
        components=COMPONENTS,
    output:
        table=f"{RESULTS}/targets.parquet",
        csv=f"{RESULTS}/targets.csv",
    log:
        f"{RESULTS}/logs/targets.log",
    conda:
        "../envs/pfold.yaml"
    params:
        max_tokens=CONFIG.max_tokens,
        model=CONFIG.model.name,
    script:
        "../scripts/targets.py"
