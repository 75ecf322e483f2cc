checkpoint plan:
    input:
        targets=f"{RESULTS}/targets.parquet",
        lost=f"{RESULTS}/lost.json",
        weights=WEIGHTS_FILES,
        databases=[str(path) for path in CONFIG.search.files()],
        components=COMPONENTS,
    output:
        plan=directory(f"{RESULTS}/plan"),
    log:
        f"{RESULTS}/logs/plan.log",
    conda:
        "../envs/pfold.yaml"
    params:
        settings=identity_settings(),
    script:
        "../scripts/plan.py"
