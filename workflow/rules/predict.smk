rule predict:
    input:
        job=f"{RESULTS}/plan/predict/{{batch}}.json",
        features=needed_features,
    output:
        receipt=f"{RESULTS}/receipts/predict/{{batch}}.json",
    log:
        f"{RESULTS}/logs/predict/{{batch}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{batch}}.tsv"
    retries: retries(4)
    conda:
        "../envs/pfold.yaml"
    threads: 8
    resources:
        mem_mb=planned("mem_mb"),
        runtime=planned("runtime"),
    script:
        "../scripts/predict.py"
