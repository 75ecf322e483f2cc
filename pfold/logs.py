"""Logging: one line a meaningful event; progress bars only where a person watches."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Generic, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

T = TypeVar("T")

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_DATES = "%Y-%m-%d %H:%M:%S"
# Where nobody watches, a long item is heard of this often (seconds).
SECONDS_BETWEEN_LINES = 60.0


def start_logging(file: Path | None = None, level: int = logging.INFO) -> None:
    """Log pfold's events to stderr and, if given, to a file, which is begun anew.

    The folder history beside it keeps what all attempts have said: Snakemake removes the log of one that failed.
    """
    root = logging.getLogger("pfold")
    root.setLevel(level)
    root.propagate = False
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, mode="w"))
        history = file.parent / "history"
        history.mkdir(exist_ok=True)
        handlers.append(logging.FileHandler(history / file.name))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT, _DATES))
        root.addHandler(handler)


class Progress(Generic[T]):
    """Progress over items: a bar where a person watches, a line now and then for a long item where nobody does."""

    def __init__(self, items: Iterable[T], what: str, unit: str) -> None:
        self._watched = sys.stderr.isatty()
        total = len(items) if isinstance(items, Sized) else None
        self._bar = tqdm(items, desc=what, unit=unit, total=total, disable=not self._watched, dynamic_ncols=True)
        self._last_line = time.monotonic()

    def __iter__(self) -> Iterator[T]:
        with logging_redirect_tqdm(loggers=[logging.getLogger("pfold")] if self._watched else []):
            for item in self._bar:
                self._last_line = time.monotonic()
                yield item

    def note(self, text: str) -> None:
        """Say what is being done to the current item."""
        if self._watched:
            self._bar.set_postfix_str(text)
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            logging.getLogger("pfold").info("%s", text)


def progress(items: Iterable[T], what: str, unit: str) -> Iterator[T]:
    """Iterate over items with `Progress`."""
    return iter(Progress(items, what, unit))
