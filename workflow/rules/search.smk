rule search:
    input:
        job=f"{RESULTS}/plan/search/{{shard}}.json",
    output:
        receipt=f"{RESULTS}/receipts/search/{{shard}}.json",
    log:
        f"{RESULTS}/logs/search/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search/{{shard}}.tsv"
    retries: retries(2)
    conda:
        "../envs/pfold.yaml"
    threads: 8
    resources:
        mem_mb=planned("mem_mb"),
        runtime=planned("runtime"),
    script:
        "../scripts/search.py"
