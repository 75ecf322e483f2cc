"""What a Snakemake that was killed leaves in its folder: locks, and marks on files that a job was about to write.

They would stop the next run, though pfold's own lock says that nobody is at work, and receipts are whole or not there.
"""

import base64
import binascii
import contextlib
import logging
from pathlib import Path

logger = logging.getLogger(__name__)

# Where Snakemake keeps them, below the folder in which it runs.
SNAKEMAKE = Path(".snakemake")


def forget_killed_run(results: Path, snakemake: Path = SNAKEMAKE) -> None:
    """Remove Snakemake's locks and marks of files below the results folder; only for who holds that folder."""
    for lock in (snakemake / "locks").glob("*.lock"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if all(_is_below(line, results) for line in lock.read_text().splitlines()):
                lock.unlink()
                logger.info("a lock that a killed Snakemake has left is removed: %s", lock)
    marks = snakemake / "incomplete"
    for mark in marks.rglob("*"):
        if mark.is_file() and _is_below(_marked_file(mark.relative_to(marks)), results):
            with contextlib.suppress(OSError):
                mark.unlink()


def _is_below(path: str, results: Path) -> bool:
    """Whether a path of Snakemake's is below the results folder, which the Snakefile names in the same way."""
    return path.startswith(f"{results}/")


def _marked_file(mark: Path) -> str:
    """The file that a mark stands for: its name is the file's in base64, cut into folders where it is long."""
    letters = "".join(part.removeprefix("@") for part in mark.parts)
    try:
        return base64.urlsafe_b64decode(letters).decode()
    except (binascii.Error, ValueError):
        return ""
