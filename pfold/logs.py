"""Logging: one line a meaningful event; progress bars only where a person watches."""

import logging
import sys
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

T = TypeVar("T")

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_DATES = "%Y-%m-%d %H:%M:%S"


def start_logging(file: Path | None = None, level: int = logging.INFO) -> None:
    """Log pfold's events to stderr and, if given, to a file, which is begun anew."""
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
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT, _DATES))
        root.addHandler(handler)


def progress(items: Iterable[T], what: str, unit: str) -> Iterator[T]:
    """Iterate with a progress bar on a terminal, and without one elsewhere."""
    total = len(items) if isinstance(items, Sized) else None
    watched = sys.stderr.isatty()
    with logging_redirect_tqdm(loggers=[logging.getLogger("pfold")] if watched else []):
        yield from tqdm(items, desc=what, unit=unit, total=total, disable=not watched, dynamic_ncols=True)
