rule search:
    input:
        job=f"{RESULTS}/plan/search/{{shard}}.json",
    output:
        receipt=f"{RESULTS}/receipts/search/{{shard}}.json",
    log:
        f"{RESULTS}/logs/search/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search/{{shard}}.tsv"
    threads: 8
    retries: 1
    script:
        "../scripts/search.py"
