"""`pfold doctor`: whether this machine has what a run needs, and what to do about what it lacks."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pfold.config import RunConfig
from pfold.errors import PfoldError
from pfold.inference.memory import GIB, Sizes, device_bytes, longest_target
from pfold.run.identity import check_databases, database_files, weights_files
from pfold.run.sources import source_files

# Less free space (bytes) than this where results or the store are is worth a complaint.
_MIN_FREE = 2 * GIB


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, or what is wrong and what to do."""

    subject: str
    good: bool
    text: str


def inspect_machine(config: RunConfig) -> list[Finding]:
    """Look at device, operators, memory, databases, weights, targets and folders of a configuration."""
    os.environ.setdefault("GLOG_v", "3")
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("device", lambda: _device(config)),
        ("operators", lambda: _operators(config)),
        ("memory", lambda: _memory(config)),
        ("targets", lambda: _files(source_files(config))),
        ("weights", lambda: _weights(config)),
        ("databases", lambda: _databases(config)),
        ("results", lambda: _writable(config.results)),
        ("store", lambda: _writable(config.store)),
    ]
    return [_look(subject, check) for subject, check in checks]


def _look(subject: str, check: Callable[[], Iterator[str]]) -> Finding:
    try:
        return Finding(subject, True, "; ".join(check()))
    except (PfoldError, OSError) as error:
        return Finding(subject, False, " ".join(str(error).split()))


def format_findings(findings: list[Finding]) -> str:
    """A line for each finding."""
    return "\n".join(f"{'ok' if f.good else 'MISSING':8}{f.subject:11}{f.text}" for f in findings)


def _device(config: RunConfig, devices: Path = Path("/dev")) -> Iterator[str]:
    """The NPUs of this node and what drives them; a node without any folds on its CPUs."""
    if config.environment and not config.environment.is_file():
        raise PfoldError(f"environment: {config.environment}, which every job sources, does not exist here")
    npus = sorted(path.name for path in devices.glob("davinci[0-9]*"))
    if not npus:
        yield f"no NPU here: {os.cpu_count()} CPU cores"
        return
    yield f"{len(npus)} NPU(s): {', '.join(npus)}"
    toolkit = config.environment or os.environ.get("ASCEND_HOME_PATH") or os.environ.get("ASCEND_TOOLKIT_HOME")
    if not toolkit:
        raise PfoldError(
            f"{len(npus)} NPU(s), but CANN is not set up: name its set_env.sh as `environment` in the configuration, "
            "or source it before pfold is started"
        )
    yield f"CANN by {toolkit}"


def _operators(config: RunConfig) -> Iterator[str]:
    from pfold import kernels

    backend = kernels.backend()
    if backend == "reference":
        raise PfoldError(
            "only MindSpore's own operators, which are slow and need much memory: install a C++ compiler (g++), then "
            "run `python -m pfold.kernels.build`"
        )
    yield f"{backend} ({config.dtype})"
    if backend == "cpu":
        from pfold.kernels.library import LIBRARY, instruction_set

        yield f"compiled for {instruction_set()}: {LIBRARY}"


def _memory(config: RunConfig) -> Iterator[str]:
    device = device_bytes(config.device_bytes)
    longest = longest_target(config.model, config.dtype, Sizes(0, 0, 1, config.n_sample), device)
    if longest < min(config.buckets):
        raise PfoldError(f"{device / GIB:.1f} GiB are too little for {config.model.name}")
    yield f"{device / GIB:.1f} GiB: targets of up to {longest} tokens without an alignment"
    if longest < config.max_tokens:
        yield f"fewer than max_tokens ({config.max_tokens})"


def _files(paths: list[Path]) -> Iterator[str]:
    yield f"{len(paths)} file(s)"


def _weights(config: RunConfig) -> Iterator[str]:
    if config.remark:
        yield config.remark
    for path in weights_files(config):
        yield str(path)


def _databases(config: RunConfig) -> Iterator[str]:
    check_databases(config)
    yield config.search.engine
    for path in database_files(config):
        yield str(path)


def _writable(folder: Path) -> Iterator[str]:
    """Write into the folder, or into the one it will be made in; raises OSError where that can't be done."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    with tempfile.NamedTemporaryFile(prefix=".pfold-doctor-", dir=existing):
        free = shutil.disk_usage(existing).free
    if free < _MIN_FREE:
        raise PfoldError(f"{folder}: only {free / GIB:.1f} GiB are free")
    yield f"{folder}: writable, {free / GIB:.0f} GiB free"
