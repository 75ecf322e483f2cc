# A training as one job of a cluster: snakemake --profile PROFILE --snakefile workflow/train.smk --config training=train.yaml
# A job that is ended by its time limit is started again, and goes on from the newest checkpoint.
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from pfold.errors import PfoldError
from pfold.training.config import load_train_config

min_version("9.0")

if "training" not in config:
    raise WorkflowError(
        "name the training's configuration: --config training=train.yaml"
    )
try:
    TRAINING = load_train_config(Path(config["training"]))
except PfoldError as error:
    raise WorkflowError(str(error)) from None

# Not the checkpoint itself: Snakemake makes folders of outputs beforehand.
TRAINED = f"{TRAINING.results}/trained_{TRAINING.n_step}"


rule all:
    default_target: True
    input:
        TRAINED,


localrules:
    all,


rule train:
    input:
        config["training"],
    output:
        touch(TRAINED),
    retries: 20
    conda:
        "envs/pfold.yaml"
    threads: 8
    params:
        # Of one node: an NPU or some CPU cores each.
        processes=config.get("processes", 1),
    shell:
        "pfold train {input:q} --processes {params.processes}"
