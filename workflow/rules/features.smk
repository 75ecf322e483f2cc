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
    retries: retries(2)
    conda:
        "../envs/pfold.yaml"
    threads: 1
    resources:
        mem_mb=planned("mem_mb"),
        runtime=planned("runtime"),
    script:
        "../scripts/features.py"
