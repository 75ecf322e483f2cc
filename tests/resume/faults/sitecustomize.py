"""Python reads this at its start in every process of a test run: one fault, in the middle of one rule's job.

PFOLD_FAULT names the rule, the kind of fault, and a folder with the file `snakemake.pid` and, once it happened, `done`.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

# What the job is about to put in place when the fault strikes: a part of the path, and which one of its kind.
PLACES = {
    "targets": ("/targets.csv", 1),
    "plan": ("/plan/plan.csv", 1),
    "search": (".a3m", 2),
    "features": (".npz", 2),
    "predict": ("/predictions/", 2),
    "summary": ("/summary.csv", 1),
}


def strike(kind: str, folder: Path) -> None:
    """Do what the test asked for, once."""
    with contextlib.suppress(FileExistsError):
        (folder / "done").touch(exist_ok=False)
        if kind == "kill-job":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "disk-full":
            fill(folder / "results")
        else:
            while not (folder / "snakemake.pid").is_file():
                time.sleep(0.01)
            process = int((folder / "snakemake.pid").read_text())
            # A terminal sends SIGINT to all processes of the group, `kill` to one.
            send = os.killpg if kind == "SIGINT" else os.kill
            send(process, getattr(signal, kind))


def fill(results: Path) -> None:
    """Leave no byte free on the results' file system."""
    with open(results / "ballast", "wb", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(size))


def watch(rule: str, kind: str, folder: Path) -> None:
    """Strike when the job puts the file of its rule in place."""
    part, which = PLACES[rule]
    seen = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event == "os.rename" and part in str(arguments[1]) and "results/" in str(arguments[1]):
            seen += 1
            if seen == which:
                strike(kind, folder)

    sys.addaudithook(look)


if "PFOLD_FAULT" in os.environ:
    rule, kind, folder = os.environ["PFOLD_FAULT"].split(" ")
    if sys.orig_argv[-1].endswith(f".{rule}.py") or any(a.endswith(f".{rule}.py") for a in sys.orig_argv):
        watch(rule, kind, Path(folder))
