rule features:
    input:
        job=f"{RESULTS}/plan/features/{{shard}}.json",
        searches=needed_searches,
    output:
        receipt=f"{RESULTS}/receipts/features/{{shard}}.json",
    log:
        f"{RESULTS}/logs/features/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/features/{{shard}}.tsv"
    retries: 1
    conda:
        "../envs/pfold.yaml"
    threads: 1
    script:
        "../scripts/features.py"
