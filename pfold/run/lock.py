"""Before a run starts: a scheduler to submit to, and no other run in its results folder."""

import contextlib
import errno
import fcntl
import getpass
import json
import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pfold.errors import PfoldError, RunningError

logger = logging.getLogger(__name__)

# What a file system without locks answers.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

# Locks that are kept until the process ends, however it ends.
_kept: list[IO[str]] = []


def check_scheduler(executor: str) -> None:
    """Raises PfoldError where a run is to submit its jobs to SLURM and this machine can't."""
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise PfoldError(
            "the profile submits jobs to SLURM, but there is no sbatch here: log in to a node that submits jobs, or "
            "use --profile profiles/local"
        )


def hold_results(results: Path) -> None:
    """Let no other run into the results folder until this process ends.

    Raises RunningError, saying who is there, where another run is.
    """
    handle = _lock(results)
    if handle is not None:
        _kept.append(handle)


@contextlib.contextmanager
def results_held(results: Path) -> Iterator[None]:
    """Let no other run into the results folder while the block runs. Raises RunningError where one is there."""
    handle = _lock(results)
    try:
        yield
    finally:
        if handle is not None:
            handle.close()


def _lock(results: Path) -> IO[str] | None:
    """The locked file; None where the file system has no locks."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / ".lock"
    handle = open(path, "a+")  # noqa: SIM115
    with contextlib.suppress(PermissionError):
        path.chmod(0o666 & ~_umask_of(results))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        who = _describe(handle.read())
        handle.close()
        raise RunningError(
            f"{results}: another run is at work there ({who}). Wait until it has ended, or name another results folder"
        ) from None
    except OSError as error:
        handle.close()
        if error.errno not in NO_LOCKS:
            raise
        logger.warning("%s: the file system has no locks; see that no two runs use the folder at once", results)
        return None
    handle.truncate(0)
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    note = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid(), "command": command}
    handle.write(json.dumps(note | {"since": time.strftime("%Y-%m-%d %H:%M:%S")}) + "\n")
    handle.flush()
    return handle


def _umask_of(results: Path) -> int:
    """What the folder withholds from others is withheld of the lock."""
    return ~results.stat().st_mode & 0o777


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _describe(text: str) -> str:
    try:
        note = json.loads(text)
        return f"{note['command']}, by {note['user']} on {note['host']}, process {note['pid']}, since {note['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is"
