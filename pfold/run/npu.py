"""Which NPU of a node a job uses: the one that its scheduler named, or one that no other job of pfold has."""

import fcntl
import logging
import os
import tempfile
from pathlib import Path
from typing import IO

from pfold.errors import PfoldError

logger = logging.getLogger(__name__)

# What CANN reads, before MindSpore is imported.
VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"

# Locks are held until the process ends, however it ends.
_held: list[IO[str]] = []


def claim_npu(devices: Path = Path("/dev"), locks: Path | None = None) -> int | None:
    """Choose an NPU for this process; None where the node has none or the environment names one.

    SLURM counts a generic resource without saying which device a job has, so jobs agree by locks in `locks` (by default
    the node's temporary folder). Raises PfoldError where all are taken.
    """
    numbers = sorted(int(path.name.removeprefix("davinci")) for path in devices.glob("davinci[0-9]*"))
    if not numbers or VISIBLE in os.environ:
        return None
    folder = locks or Path(tempfile.gettempdir())
    for number in numbers:
        handle = open(folder / f"pfold-npu-{number}.lock", "a")  # noqa: SIM115
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            continue
        _held.append(handle)
        os.environ[VISIBLE] = str(number)
        logger.info("NPU %d of %d", number, len(numbers))
        return number
    raise PfoldError(
        f"all {len(numbers)} NPUs of this node are used by other jobs of pfold: ask for one NPU (gres) for each job"
    )
