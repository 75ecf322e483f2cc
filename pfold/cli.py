"""The command line: `pfold fold` for one file end to end, and every stage of a run by hand."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shtab

from pfold import __version__
from pfold.config import RunConfig, load_config, parse_config
from pfold.config_file import layered_config
from pfold.errors import REASONS, ConfigError, PfoldError, WeightsError, exit_code, explained_os_errors
from pfold.logs import start_logging
from pfold.project import CONFIGURATION, init_project, workflow_command
from pfold.strict_yaml import load_yaml


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
            command.add_argument("--config", type=Path, default=_default_config(), help="(default: %(default)s)")
        if argument:
            command.add_argument(argument, help=f"name of the {argument}, from the plan")
        if name == "search":
            command.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="threads (default: all)")
        if name == "predict":
            command.add_argument("--profile", type=Path, help="folder to write MindSpore's profile of the run to")
        if name == "retry":
            command.add_argument("--reason", choices=REASONS, help="only targets that failed for this reason")
    _add_project(commands)
    _add_query(commands)
    _add_export(commands)
    _add_clean(commands)
    _add_convert(commands)
    _add_weights(commands)
    _add_plan_memory(commands)
    return parser


def _add_run(command: argparse.ArgumentParser) -> None:
    """Options that name a run: by its configuration, or by its results folder alone."""
    command.add_argument("--config", type=Path, default=_default_config(), help="(default: %(default)s)")
    command.add_argument("--results", type=Path, help="a results folder, of `pfold fold` too, instead of --config")


def _results_of(args: argparse.Namespace) -> Path:
    return args.results or load_config(args.config).results


def _default_config() -> Path:
    """That of `pfold init` in the working directory, or where there is none the repository's."""
    own = Path(CONFIGURATION)
    return own if own.is_file() else Path("config") / CONFIGURATION


# Exit code of `pfold plan-memory` where a target does not fit.
EXIT_TOO_LARGE = 1
# Exit code of a command that was stopped by Ctrl-C, as shells have it.
EXIT_STOPPED = 130
# Exit code of `pfold doctor` where something is missing.
EXIT_UNFIT = 1

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
    run.add_argument("--config", type=Path, default=_default_config(), help="(default: %(default)s)")
    run.add_argument("--profile", default="local", help="name or folder of a Snakemake profile (default: %(default)s)")
    run.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="Snakemake's own, such as: -- plan --dry-run")


def _add_query(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "ask the tables summary, pairs, plan and targets in SQL"
    query = commands.add_parser("query", help=what, description=what)
    query.add_argument("sql", help='such as: "select name, iptm from summary where rank = 1 and iptm > 0.8"')
    _add_run(query)
    query.add_argument("--csv", action="store_true", help="write CSV instead of a table to read")


def _add_clean(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "list what no input needs any more: results, and with --stores features and alignments"
    clean = commands.add_parser("clean", help=what, description=what)
    configs = f"configurations of the runs (default: {_default_config()})"
    clean.add_argument("configs", type=Path, nargs="*", default=[_default_config()], metavar="CONFIG", help=configs)
    clean.add_argument("--delete", action="store_true", help="remove it")
    stores = "also what lies in the stores; name the configurations of all runs that share them"
    clean.add_argument("--stores", action="store_true", help=stores)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "write finished results in other programs' formats: the best sample of each target"
    export = commands.add_parser("export", help=what, description=what)
    export.add_argument("form", help="mmcif, pdb, bcif, fasta, json or compact (confidences), zip, or modelarchive")
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
    convert.add_argument("source", type=Path, help=".pt file")
    convert.add_argument("destination", type=Path, help=".safetensors file")


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


def _run_plan_memory(args: argparse.Namespace) -> int:
    from pfold.inference.buckets import MIN_ATOMS_PER_TOKEN
    from pfold.inference.memory import GIB, Sizes, device_bytes, longest_target, memory_plan, targets_together
    from pfold.weights.published import model_settings

    model = model_settings(args.model)
    n_atom = args.atoms or MIN_ATOMS_PER_TOKEN * args.tokens
    sizes = Sizes(args.tokens, n_atom, args.msa, args.samples or model.n_sample)
    device = device_bytes(args.device_bytes)
    plan = memory_plan(model, args.dtype, sizes, device)
    for stage in ("trunk", "diffusion", "confidence", "peak"):
        print(f"{stage}\t{getattr(plan, stage) / GIB:.2f} GiB")
    if plan.peak > device:
        longest = longest_target(model, args.dtype, sizes, device)
        print(f"does not fit into {device / GIB:.1f} GiB; the longest target that would has {longest} tokens")
        return EXIT_TOO_LARGE
    together = targets_together(model, args.dtype, sizes, device)
    print(f"fits into {device / GIB:.1f} GiB: {plan.chunks}; targets in one pass: {together}")
    return 0


# Option of `pfold fold` -> key of the configuration, where they have different names.
_KEYS = {
    "engine": "search.engine",
    "database": "search.databases",
    "rna_database": "search.rna_databases",
    "server": "search.server",
    "template_seqres": "search.templates.seqres",
    "template_mmcif": "search.templates.mmcif",
}
_SAME_KEYS = ("targets", "results", "model", "weights", "dtype", "seeds", "n_cycle", "n_step", "n_sample", "keep")


def _fold_config(args: argparse.Namespace) -> RunConfig:
    """The configuration of `pfold fold`: a file's, if one is named, and over it the options that are given."""
    given: dict[str, Any] = {}
    for option, key in (_KEYS | dict(zip(_SAME_KEYS, _SAME_KEYS, strict=True))).items():
        if getattr(args, option) is not None:
            _put(given, key, getattr(args, option))
    for setting in args.set:
        key, found, value = setting.partition("=")
        if not found:
            raise ConfigError(f"--set {setting}: write it as KEY=VALUE, such as batch.max_targets=10")
        try:
            _put(given, key, load_yaml(value))
        except ValueError as error:
            raise ConfigError(f"--set {setting}: {error}") from None
    keys = layered_config([args.config] if args.config else [], given)
    if args.config is None and not keys.get("search", {}).get("engine"):
        named = keys.get("search", {})
        engine = "jackhmmer" if named.get("databases") else "colabfold_server" if named.get("server") else "none"
        _put(keys, "search.engine", engine)
    return parse_config(keys, str(args.config or "the command line"))


def _put(keys: dict[str, Any], key: str, value: Any) -> None:
    """Set a key whose parts are joined by points."""
    *parts, last = key.split(".")
    for part in parts:
        keys = keys.setdefault(part, {})
    keys[last] = value


def _run_weights(args: argparse.Namespace) -> None:
    from pfold.checkpoints import published, published_names
    from pfold.weights.convert import convert_checkpoint
    from pfold.weights.fetch import fetch_weights
    from pfold.weights.load import cache_folder, cached_file
    from pfold.weights.verify import verify_checkpoint

    if args.action == "fetch":
        print(fetch_weights(published(args.model), sha256=args.sha256))
    elif args.action == "verify":
        settings = published(args.model)
        path = args.file or cached_file(settings.file)
        if path is None:
            raise WeightsError(f"{settings.name} is not in the cache {cache_folder()}; fetch it, or name a file")
        print(f"{path}\tSHA-256 {verify_checkpoint(settings, path, args.sha256)}\tgood")
    elif args.action == "convert":
        convert_checkpoint(published(args.model), args.source, args.destination)
        print(args.destination)
    else:
        print(f"cache: {cache_folder()}")
        for name in published_names():
            settings = published(name)
            found = cached_file(settings.file)
            print(f"{name}\t{found}" if found else f"{name}\tnot fetched\t{settings.url}")


def _run_clean(args: argparse.Namespace) -> None:
    from pfold.stages import run_clean

    leftovers = run_clean([load_config(path) for path in args.configs], delete=args.delete, stores=args.stores)
    for leftover in leftovers:
        print(f"{leftover.kind}\t{leftover.n_bytes}\t{leftover.path}")
    mb = sum(leftover.n_bytes for leftover in leftovers) / 1e6
    done = "removed" if args.delete else "not needed; --delete removes it"
    print(f"{len(leftovers)} files and folders, {mb:.1f} MB: {done}", file=sys.stderr)


def _run_stage(args: argparse.Namespace) -> None:
    from pfold import stages

    if args.command == "fold":
        stages.run_all(_fold_config(args), args.cpus)
        return
    if args.command == "convert":
        stages.run_convert(args.targets, args.output)
        return
    config = _config_of(args)
    if args.command == "search":
        stages.run_search(config, args.shard, args.cpus)
    elif args.command == "features":
        stages.run_features(config, args.shard)
    elif args.command == "predict":
        stages.run_predict(config, args.batch, profile=args.profile)
    elif args.command == "retry":
        for name in stages.run_retry(config, args.reason):
            print(name)
    elif args.command == "status":
        print(stages.run_status(config))
    else:
        simple = {
            "targets": stages.run_targets,
            "plan": stages.run_plan,
            "summary": stages.run_summary,
            "check": stages.run_check,
        }
        simple[args.command](config)


def _config_of(args: argparse.Namespace) -> RunConfig:
    """The configuration that is named, or that of the last run in a results folder."""
    if getattr(args, "results", None) is not None:
        from pfold.stages import last_configuration

        return last_configuration(args.results)
    return load_config(args.config)


def _run(args: argparse.Namespace) -> int:
    if args.command == "plan-memory":
        return _run_plan_memory(args)
    if args.command == "doctor":
        from pfold.doctor import format_findings, inspect_machine

        findings = inspect_machine(_config_of(args))
        print(format_findings(findings))
        return 0 if all(finding.good for finding in findings) else EXIT_UNFIT
    if args.command == "init":
        for path in init_project(args.folder):
            print(path)
    elif args.command == "run":
        command = workflow_command(args.config, args.profile, args.arguments)
        # Snakemake takes this process's place, so that signals and exit codes are its own.
        os.execv(command[0], command)
    elif args.command == "query":
        from pfold.report.query import query_tables

        found = query_tables(_results_of(args), args.sql)
        print(found.to_csv(index=False) if args.csv else found.to_string(index=False), end="" if args.csv else "\n")
    elif args.command == "clean":
        _run_clean(args)
    elif args.command == "export":
        from pfold.export.forms import export_results

        for path in export_results(_results_of(args), args.form, args.output, args.names):
            print(path)
    elif args.command == "weights":
        _run_weights(args)
    else:
        _run_stage(args)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `pfold`; returns the exit code."""
    args = build_parser().parse_args(argv)
    start_logging()
    try:
        with explained_os_errors():
            code = _run(args)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        print("pfold: stopped; what is finished is kept, and the same command goes on from there", file=sys.stderr)
        return EXIT_STOPPED
    except BrokenPipeError:
        # Whoever read the output has seen enough (`pfold status | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PfoldError as error:
        print(f"pfold: {error}", file=sys.stderr)
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
