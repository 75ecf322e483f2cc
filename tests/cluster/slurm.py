"""A private SLURM on this machine for tests: one node with two counted NPU slots, no systemd, nothing in /etc."""

import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "scontrol", "sinfo")
CLIENTS = ("sbatch", "srun", "scancel", "squeue", "scontrol", "sinfo", "sacct")
SECONDS_TO_START = 60

_SLURM_CONF = """
ClusterName=pfoldtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=npu
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=60
InactiveLimit=0
MessageTimeout=60
# More CPUs and memory than the machine has, so that jobs of eight threads share it.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=64000 Gres=npu:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=npu Nodes={host} MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """What SLURM needs and this machine has not."""
    return [name for name in PROGRAMS if _program(name) is None]


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Slurm:
    """A running cluster; `environment` is what its users have."""

    def __init__(self, folder: Path, controller_port: int = 26817) -> None:
        self.folder, self.config = folder, folder / "slurm.conf"
        host = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir(parents=True)
        ports = {"controller_port": controller_port, "node_port": controller_port + 1}
        self.config.write_text(_SLURM_CONF.format(folder=folder, host=host, user=user, **ports))
        (folder / "gres.conf").write_text("Name=npu Count=2\n")
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        # Snakemake hides SLURM's variables from the jobs it starts, so the clients carry the configuration themselves.
        for name in CLIENTS:
            if program := _program(name):
                client = folder / "bin" / name
                client.write_text(f'#!/bin/sh\nSLURM_CONF={self.config} exec {program} "$@"\n')
                client.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    def start(self) -> None:
        """Start all daemons and wait until the node is idle."""
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
        self._daemon("munged", "--force", f"--socket={self.folder}/munge.socket", *files)
        self.start_controller()
        self._daemon("slurmd", "-f", str(self.config))
        deadline = time.monotonic() + SECONDS_TO_START
        while set(self.client("sinfo", "--noheader", "--format=%t").split()) != {"idle"}:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the node did not come up:\n{self.logs()}")
            time.sleep(0.5)

    def start_controller(self) -> None:
        """Start the controller, or a new one after `stop_controller`."""
        self._daemon("slurmctld", "-f", str(self.config))

    def stop_controller(self) -> None:
        """Kill the controller, as a crash would."""
        self._kill("slurmctld", "-KILL")

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        subprocess.run(["scancel", "--state=RUNNING"], env=self.environment, timeout=30, check=False)
        for name in ("slurmctld", "slurmd", "munge"):
            self._kill(name, "-TERM")

    def client(self, *command: str) -> str:
        """What a client command prints, or nothing where it fails, as it does while the controller is away."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        ends = [(path.name, path.read_text()[-2000:]) for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(f"== {name}\n{end}" for name, end in ends)

    def _daemon(self, name: str, *arguments: str) -> None:
        program = _program(name)
        assert program
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} does not start: {done.stdout}{done.stderr}\n{self.logs()}")

    def _kill(self, name: str, signal: str) -> None:
        pid = self.folder / f"{name}.pid"
        if pid.is_file():
            subprocess.run(["kill", signal, pid.read_text().strip()], check=False)
