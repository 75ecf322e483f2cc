checkpoint plan:
    input:
        targets=f"{RESULTS}/targets.parquet",
        databases=[str(path) for path in CONFIG.search.databases],
    output:
        plan=directory(f"{RESULTS}/plan"),
    params:
        settings=identity_settings(),
    log:
        f"{RESULTS}/logs/plan.log",
    script:
        "../scripts/plan.py"
