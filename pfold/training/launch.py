"""A training in several processes: MindSpore's `msrun` starts them on this machine, and this waits for them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from pfold.errors import PfoldError
from pfold.files import claim_folder
from pfold.training.checkpoint import checkpoint_folder
from pfold.training.config import TrainConfig

# Seconds that processes wait for one another: the first steps compile graphs.
_PATIENCE = 36000


def train_in_processes(path: Path, config: TrainConfig, n_process: int) -> Path:
    """Run `pfold train` of a configuration's file in so many processes. Returns the last checkpoint's folder.

    The log of the first is shown as it is written; all are in the results folder's logs. On CPUs each process gets its
    share of the cores, unless OMP_NUM_THREADS says otherwise. Raises PfoldError where a process failed.
    """
    binaries, logs = Path(sys.executable).parent, claim_folder(config.results) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    n_thread = max(1, len(os.sched_getaffinity(0)) // n_process)
    environment = {"OMP_NUM_THREADS": str(n_thread), "MS_NODE_TIMEOUT": str(_PATIENCE)} | os.environ
    environment["PATH"] = f"{binaries}{os.pathsep}{environment['PATH']}"
    command = [
        *(str(binaries / "msrun"), f"--worker_num={n_process}", f"--local_worker_num={n_process}", "--join=True"),
        *(f"--master_port={_free_port()}", f"--log_dir={logs}", "--tail_worker_log=0"),
        *(str(binaries / "pfold"), "train", str(path)),
    ]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise PfoldError(f"the training in {n_process} processes ended with exit code {code}; see {logs}/worker_*.log")
    return checkpoint_folder(config.results, config.n_step)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
