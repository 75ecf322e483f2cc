"""The command line: `pfold fold` for one file end to end, and every stage of a run by hand."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pfold import __version__
from pfold.config import RunConfig, load_config, parse_config
from pfold.errors import REASONS, PfoldError, WeightsError, exit_code, explained_os_errors
from pfold.logs import start_logging


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of `pfold`."""
    parser = argparse.ArgumentParser(prog="pfold", description="Protein structure prediction in MindSpore.")
    parser.add_argument("--version", action="version", version=f"pfold {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fold(commands)
    for name, what, argument in _STAGES:
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="configuration file")
        if argument:
            command.add_argument(argument, help=f"name of the {argument}, from the plan")
        if name == "search":
            command.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="threads (default: all)")
        if name == "predict":
            command.add_argument("--profile", type=Path, help="folder to write MindSpore's profile of the run to")
        if name == "retry":
            command.add_argument("--reason", choices=REASONS, help="only targets that failed for this reason")
    _add_convert(commands)
    _add_weights(commands)
    _add_plan_memory(commands)
    return parser


# Exit code of `pfold plan-memory` where a target does not fit.
EXIT_TOO_LARGE = 1
# Exit code of `pfold doctor` where something is missing.
EXIT_UNFIT = 1

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
    fold.add_argument("--results", default="results", help="folder of the results (default: results)")
    fold.add_argument("--model", default="protenix_base_default_v0.5.0", help="published model (default: %(default)s)")
    fold.add_argument("--weights", default="auto", help='"auto", "untrained" or a path (default: auto)')
    fold.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="(default: %(default)s)")
    fold.add_argument("--database", action="append", default=[], help="FASTA database to search; may be repeated")
    fold.add_argument("--seeds", type=int, nargs="+", default=[101], help="model seeds (default: 101)")
    for name, meaning in (
        ("n_cycle", "recycling cycles"),
        ("n_step", "diffusion steps"),
        ("n_sample", "samples a seed"),
    ):
        fold.add_argument(f"--{name}", type=int, help=f"{meaning} (default: the model's)")
    fold.add_argument("--keep", choices=["all", "best"], default="all", help="samples to keep (default: all)")
    fold.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="search threads (default: all)")


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
    plan.add_argument("--msa", type=int, default=1, help="alignment rows (default: 1)")
    plan.add_argument("--samples", type=int, help="samples a seed (default: the model's)")
    plan.add_argument("--device-bytes", type=float, help="memory of the device (default: this machine's)")


def _run_plan_memory(args: argparse.Namespace) -> int:
    from pfold.predict.buckets import FEWEST_ATOMS_PER_TOKEN
    from pfold.predict.memory import GIB, device_bytes, longest_target, memory_plan, targets_together
    from pfold.weights.published import model_settings

    model = model_settings(args.model)
    n_atom = args.atoms or FEWEST_ATOMS_PER_TOKEN * args.tokens
    n_sample = args.samples or model.n_sample
    device = device_bytes(args.device_bytes)
    plan = memory_plan(model, args.dtype, args.tokens, n_atom, args.msa, n_sample, 1, device)
    for stage in ("trunk", "diffusion", "confidence", "peak"):
        print(f"{stage}\t{getattr(plan, stage) / GIB:.2f} GiB")
    if plan.peak > device:
        longest = longest_target(model, args.dtype, args.msa, n_sample, device)
        print(f"does not fit into {device / GIB:.1f} GiB; the longest target that would has {longest} tokens")
        return EXIT_TOO_LARGE
    together = targets_together(model, args.dtype, args.tokens, n_atom, args.msa, n_sample, device)
    print(f"fits into {device / GIB:.1f} GiB: {plan.chunks}; targets in one pass: {together}")
    return 0


def _fold_config(args: argparse.Namespace) -> RunConfig:
    engine = "jackhmmer" if args.database else "none"
    return parse_config(
        {
            "targets": args.targets,
            "results": args.results,
            "model": args.model,
            "weights": args.weights,
            "dtype": args.dtype,
            "seeds": args.seeds,
            "n_cycle": args.n_cycle,
            "n_step": args.n_step,
            "n_sample": args.n_sample,
            "keep": args.keep,
            "search": {"engine": engine, "databases": args.database},
        },
        "the command line",
    )


def _run_weights(args: argparse.Namespace) -> None:
    from pfold.weights.convert import convert_checkpoint
    from pfold.weights.fetch import fetch_weights
    from pfold.weights.load import cache_folder, cached_file
    from pfold.weights.verify import published, published_names, verify_checkpoint

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


def _run_stage(args: argparse.Namespace) -> None:
    from pfold import stages

    if args.command == "fold":
        stages.run_all(_fold_config(args), args.cpus)
        return
    if args.command == "convert":
        stages.run_convert(args.targets, args.output)
        return
    config = load_config(args.config)
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


def _run(args: argparse.Namespace) -> int:
    if args.command == "plan-memory":
        return _run_plan_memory(args)
    if args.command == "doctor":
        from pfold.doctor import format_findings, inspect_machine

        findings = inspect_machine(load_config(args.config))
        print(format_findings(findings))
        return 0 if all(finding.good for finding in findings) else EXIT_UNFIT
    if args.command == "weights":
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
            return _run(args)
    except PfoldError as error:
        print(f"pfold: {error}", file=sys.stderr)
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
