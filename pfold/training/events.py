"""Losses and validation as events for TensorBoard, where the package tensorboardX is installed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfold.training.validation import set_means

FOLDER = "events"


class Events:
    """Writes to the folder `events` of the results; does nothing where tensorboardX is missing."""

    def __init__(self, results: Path, first: int) -> None:
        """first: the step after which the training goes on; events of later steps are taken back."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            self._writer = None
            return
        self._writer = SummaryWriter(str(results / FOLDER), purge_step=first, flush_secs=10)

    def losses(self, done: int, means: Mapping[str, float]) -> None:
        """Means of the last steps by name, after this many."""
        self._write("train", done, means)

    def validation(self, done: int, rows: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> None:
        """Mean scores of each set of validated structures, after this many steps."""
        for name, means in set_means(rows, scores).items():
            self._write(f"validation/{name}", done, means)

    def close(self) -> None:
        """Write what is waiting."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, group: str, done: int, values: Mapping[str, float]) -> None:
        if self._writer is not None:
            for key, value in values.items():
                self._writer.add_scalar(f"{group}/{key}", value, done)
