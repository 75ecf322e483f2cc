"""One attempt at a batch: alone by a lock, with a note of the targets in hand, and told to stop by SIGTERM.

A process that dies (killed for memory, a crash in a library, a lost node) leaves the note; the next attempt then knows
which targets may have been the cause. One that is told to stop takes the note away: its targets are not to blame.
"""

import contextlib
import fcntl
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pfold.files import read_record, write_json
from pfold.run.lock import NO_LOCKS

logger = logging.getLogger(__name__)


class Attempt:
    """This process's attempt at a batch; `begin_attempt` makes it."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self.stopping = False
        left = read_record(note, "folders")
        self.interrupted: frozenset[str] = frozenset(left["folders"] if left else ())
        """Result folders of the targets that an earlier attempt died with."""

    @contextlib.contextmanager
    def in_hand(self, folders: Sequence[str]) -> Iterator[None]:
        """Keep a note of the targets being folded, by result folder, while the block runs."""
        if not self.stopping:
            write_json(self._note, {"folders": list(folders)})
        try:
            yield
        finally:
            self.forget()

    def forget(self) -> None:
        """Take the note away."""
        self._note.unlink(missing_ok=True)

    def stop(self, *_: Any) -> None:
        """Finish what is in hand and begin nothing more; if that is cut short, it is nobody's fault."""
        self.stopping = True
        self.forget()
        logger.warning("told to stop (SIGTERM): finishing the targets in hand")


@contextlib.contextmanager
def begin_attempt(job: Path, note: Path) -> Iterator[Attempt]:
    """An attempt at the batch that the file `job` describes; waits while another process has one."""
    with open(job, "r+") as handle:
        _lock(handle, job.stem)
        attempt = Attempt(note)
        # Signals reach the main thread only; elsewhere, as in a notebook's worker, nothing can be told to stop.
        if threading.current_thread() is not threading.main_thread():
            yield attempt
            return
        before = signal.signal(signal.SIGTERM, attempt.stop)
        try:
            yield attempt
        finally:
            signal.signal(signal.SIGTERM, before)


def _lock(handle: Any, batch: str) -> None:
    """Lock a file until it is closed. A file system without locks leaves the atomic writes to keep results whole."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.warning("batch %s: another process folds it; waiting for that", batch)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        logger.warning("batch %s: the file system has no locks; see that no two jobs fold the same batch", batch)
