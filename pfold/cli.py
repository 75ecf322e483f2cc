"""The command line: `pfold fold` for one file end to end, and every stage of a run by hand."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pfold.cli_parser import build_parser
from pfold.config import RunConfig, load_config, parse_config
from pfold.config_file import layered_config
from pfold.errors import ConfigError, PfoldError, WeightsError, exit_code, explained_os_errors
from pfold.logs import start_logging
from pfold.project import init_project, workflow_command
from pfold.strict_yaml import load_yaml

# Exit code of `pfold plan-memory` where a target does not fit.
EXIT_TOO_LARGE = 1
# Exit code of a command that was stopped by Ctrl-C, as shells have it.
EXIT_STOPPED = 130
# Exit code of `pfold doctor` where something is missing.
EXIT_UNFIT = 1


def _results_of(args: argparse.Namespace) -> Path:
    return args.results or load_config(args.config).results


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
        convert_checkpoint(published(args.model), args.source, args.destination, half=args.half)
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


def _run_cascade(args: argparse.Namespace) -> int:
    from pfold.cascade import forecast, run_cascade

    config = load_config(args.config)
    if args.forecast:
        for line in forecast(config):
            print(line)
        return 0

    def run(step: Path) -> int:
        return subprocess.run(workflow_command(step, args.profile, args.arguments), check=False).returncode

    return run_cascade(config, run)


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
        simple: dict[str, Callable[[RunConfig], object]] = {
            "targets": stages.run_targets,
            "plan": stages.run_plan,
            "summary": stages.run_summary,
            "check": stages.run_check,
        }
        simple[args.command](config)


def _config_of(args: argparse.Namespace) -> RunConfig:
    """The configuration that is named, or that of the last run in a results folder."""
    if getattr(args, "results", None) is not None:
        from pfold.run.last_configuration import last_configuration

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
    elif args.command == "cascade":
        return _run_cascade(args)
    elif args.command == "report":
        from pfold import stages

        print(stages.run_report(_config_of(args), args.target, args.single, args.cpus))
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
    elif args.command == "evaluate":
        from pfold.evaluation.tables import evaluate, evaluation_text

        print(evaluation_text(evaluate(args.results, args.truth)))
    elif args.command == "train":
        # Warnings of MindSpore's compiler are not the user's business.
        os.environ.setdefault("GLOG_v", "3")
        from pfold.training.config import load_train_config
        from pfold.training.launch import train_in_processes
        from pfold.training.trainer import train

        config = load_train_config(args.config)
        print(train_in_processes(args.config, config, args.processes) if args.processes > 1 else train(config))
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
