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
    retries: 2
    conda:
        "../envs/pfold.yaml"
    threads: 8
    script:
        "../scripts/predict.py"
