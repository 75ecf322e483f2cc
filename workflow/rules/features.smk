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
    threads: 1
    retries: 1
    script:
        "../scripts/features.py"
