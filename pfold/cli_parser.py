"""The commands of `pfold` and their options."""

import argparse
import os
from pathlib import Path

import shtab

from pfold import __version__
from pfold.errors import REASONS
from pfold.project import CONFIGURATION


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of `pfold`."""
    parser = argparse.ArgumentParser(prog="pfold", description="Protein structure prediction in MindSpore.")
    parser.add_argument("--version", action="version", version=f"pfold {__version__}")
    completion = "print the completion script of a shell, to be sourced: pfold --print-completion bash"
    shtab.add_argument_to(parser, "--print-completion", help=completion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fold(commands)
    for name, what, argument in _STAGES:
        command = commands.add_parser(name, help=what, description=what)
        if name in _OF_RESULTS:
            _add_run(command)
        else:
            command.add_argument("--config", type=Path, default=default_config(), help="(default: %(default)s)")
        if argument:
            command.add_argument(argument, help=f"name of the {argument}, from the plan")
        if name == "search":
            command.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="threads (default: all)")
        if name == "predict":
            command.add_argument("--profile", type=Path, help="folder to write MindSpore's profile of the run to")
        if name == "retry":
            command.add_argument("--reason", choices=REASONS, help="only targets that failed for this reason")
    _add_project(commands)
    _add_cascade(commands)
    _add_report(commands)
    _add_query(commands)
    _add_export(commands)
    _add_clean(commands)
    _add_convert(commands)
    _add_weights(commands)
    _add_plan_memory(commands)
    _add_train(commands)
    _add_evaluate(commands)
    return parser


def _add_run(command: argparse.ArgumentParser) -> None:
    """Options that name a run: by its configuration, or by its results folder alone."""
    command.add_argument("--config", type=Path, default=default_config(), help="(default: %(default)s)")
    command.add_argument("--results", type=Path, help="a results folder, of `pfold fold` too, instead of --config")


def default_config() -> Path:
    """That of `pfold init` in the working directory, or where there is none the repository's."""
    own = Path(CONFIGURATION)
    return own if own.is_file() else Path("config") / CONFIGURATION


# Commands that are content with a results folder.
_OF_RESULTS = ("status", "retry", "doctor")
_STAGES = (
    ("targets", "read the target files into a table", None),
    ("plan", "plan what is missing", None),
    ("search", "search the sequences of a shard", "shard"),
    ("features", "make the features of a shard", "shard"),
    ("predict", "fold the targets of a batch", "batch"),
    ("summary", "write the summary table and the report", None),
    ("check", "fail if more targets failed than allowed", None),
    ("status", "say what is done, running, failed and left", None),
    ("retry", "let the next run fold failed targets again", None),
    ("doctor", "check this machine for what a run needs", None),
)


def _add_fold(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "fold the targets of a file or folder, all stages in this process"
    fold = commands.add_parser("fold", help=what, description=what)
    fold.add_argument("targets", nargs="+", help="target files of any format, or folders of them")
    fold.add_argument("--config", type=Path, help="configuration file, whose keys the options below replace")
    fold.add_argument("--results", help="folder of the results (default: results)")
    fold.add_argument("--model", help="published model (default: protenix_base_default_v0.5.0)")
    fold.add_argument("--weights", help='"auto", "untrained" or a path (default: auto)')
    fold.add_argument("--dtype", choices=["float32", "bfloat16"], help="(default: float32)")
    fold.add_argument("--seeds", type=int, nargs="+", help="model seeds (default: 101)")
    search = fold.add_argument_group("search")
    search.add_argument("--engine", help="search.engine (default: jackhmmer where a database is named, else none)")
    search.add_argument("--database", action="append", help="one of search.databases; may be repeated")
    search.add_argument("--rna-database", action="append", help="one of search.rna_databases; may be repeated")
    search.add_argument("--server", help="search.server; your sequences are sent there")
    search.add_argument("--template-seqres", help="search.templates.seqres")
    search.add_argument("--template-mmcif", help="search.templates.mmcif")
    for name, meaning in (
        ("n_cycle", "recycling cycles"),
        ("n_step", "diffusion steps"),
        ("n_sample", "samples a seed"),
    ):
        fold.add_argument(f"--{name}", type=int, help=f"{meaning} (default: the model's)")
    fold.add_argument("--keep", choices=["all", "best"], help="samples to keep (default: all)")
    fold.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key of the configuration, such as batch.max_targets=10",
    )
    fold.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="search threads (default: all)")


def _add_project(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "write a commented configuration and the profiles into a folder"
    init = commands.add_parser("init", help=what, description=what)
    init.add_argument("folder", type=Path, help="folder to work in; it is made where it does not exist")
    what = "run the workflow with Snakemake"
    run = commands.add_parser("run", help=what, description=what)
    run.add_argument("--config", type=Path, default=default_config(), help="(default: %(default)s)")
    run.add_argument("--profile", default="local", help="name or folder of a Snakemake profile (default: %(default)s)")
    run.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="Snakemake's own, such as: -- plan --dry-run")


def _add_cascade(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "run the configuration's cascade: each step folds what the step before lets go on"
    cascade = commands.add_parser("cascade", help=what, description=what)
    cascade.add_argument("--config", type=Path, default=default_config(), help="(default: %(default)s)")
    profile = "name or folder of a Snakemake profile (default: %(default)s)"
    cascade.add_argument("--profile", default="local", help=profile)
    cascade.add_argument("--forecast", action="store_true", help="only say what each step would cost")
    cascade.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="Snakemake's own")


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "write the report again, or one target's page as a file to send"
    report = commands.add_parser("report", help=what, description=what)
    report.add_argument(
        "target", nargs="?", metavar="TARGET", help="name of a finished target (default: the whole run)"
    )
    report.add_argument("--single", type=Path, metavar="FILE", help="HTML file that holds all of the target's page")
    _add_run(report)
    report.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="processes (default: all)")


def _add_query(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "ask the tables summary, pairs, plan and targets in SQL"
    query = commands.add_parser("query", help=what, description=what)
    query.add_argument("sql", help='such as: "select name, iptm from summary where rank = 1 and iptm > 0.8"')
    _add_run(query)
    query.add_argument("--csv", action="store_true", help="write CSV instead of a table to read")


def _add_clean(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "list what no input needs any more: results, and with --stores features and alignments"
    clean = commands.add_parser("clean", help=what, description=what)
    configs = f"configurations of the runs (default: {default_config()})"
    clean.add_argument("configs", type=Path, nargs="*", default=[default_config()], metavar="CONFIG", help=configs)
    clean.add_argument("--delete", action="store_true", help="remove it")
    stores = "also what lies in the stores; name the configurations of all runs that share them"
    clean.add_argument("--stores", action="store_true", help=stores)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "write finished results in other programs' formats: the best sample of each target"
    export = commands.add_parser("export", help=what, description=what)
    export.add_argument(
        "form", help="mmcif, pdb, bcif, fasta, foldcomp, json or compact (confidences), zip, modelarchive"
    )
    export.add_argument("names", nargs="*", metavar="NAME", help="names of targets (default: all that are done)")
    _add_run(export)
    export.add_argument("--output", type=Path, default=Path("export"), help="folder to write to (default: %(default)s)")


def _add_convert(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "write targets of any format as Protenix JSON"
    convert = commands.add_parser("convert", help=what, description=what)
    convert.add_argument("targets", nargs="+", help="target files, or folders of them")
    convert.add_argument("output", type=Path, help="Protenix JSON to write")


def _add_weights(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    weights = commands.add_parser("weights", help="published checkpoints", description="Published checkpoints.")
    actions = weights.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the models and what the cache holds")
    fetch = actions.add_parser("fetch", help="download a model's checkpoint into the cache and verify it")
    fetch.add_argument("model", metavar="MODEL", help="a model or language model of `pfold weights list`")
    fetch.add_argument("--sha256", default="", help="the digest that the file must have")
    verify = actions.add_parser("verify", help="check a checkpoint: checksums, digest, names and shapes of its tensors")
    verify.add_argument("model", metavar="MODEL")
    verify.add_argument("file", type=Path, nargs="?", help=".pt or .safetensors file (default: the one in the cache)")
    verify.add_argument("--sha256", default="", help="the digest that the file must have")
    convert = actions.add_parser("convert", help="turn a published .pt into .safetensors, without PyTorch")
    convert.add_argument("model", metavar="MODEL")
    convert.add_argument("source", type=Path, help=".pt file, or .safetensors")
    convert.add_argument("destination", type=Path, help=".safetensors file")
    convert.add_argument("--half", action="store_true", help="write 16-bit floats, a file of half the size")


def _add_plan_memory(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "predict the memory of a fold, and whether it fits"
    plan = commands.add_parser("plan-memory", help=what, description=what)
    plan.add_argument("--model", default="protenix_base_default_v0.5.0", help="published model (default: %(default)s)")
    plan.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="(default: %(default)s)")
    plan.add_argument("--tokens", type=int, required=True, help="tokens of the target, padded to its bucket")
    plan.add_argument("--atoms", type=int, help="atoms of the target (default: 8 a token)")
    plan.add_argument("--msa", type=int, default=1, help="MSA rows (default: 1)")
    plan.add_argument("--samples", type=int, help="samples a seed (default: the model's)")
    plan.add_argument("--device-bytes", type=float, help="memory of the device (default: this machine's)")


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "train a model, or fine-tune a published one, on known structures"
    train = commands.add_parser("train", help=what, description=what)
    train.add_argument("config", type=Path, help="configuration of the training (docs/training.md)")
    what = "processes of this machine that share each step's examples (default: this one alone)"
    train.add_argument("--processes", type=int, default=1, help=what)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "compare predictions with known structures"
    evaluate = commands.add_parser("evaluate", help=what, description=what)
    evaluate.add_argument("results", type=Path, help="results folder of a run")
    evaluate.add_argument("truth", type=Path, help="folder of structures that have their targets' names")
