"""Errors that reach the user: their messages say what, where and what to do next."""

import contextlib
import errno
from collections.abc import Iterator


class PfoldError(Exception):
    """Base of all errors that pfold raises on purpose; the command line prints them without a traceback."""


class InputError(PfoldError):
    """A file, record or sequence that can't be folded."""


class ConfigError(PfoldError):
    """A configuration key or value, or a command-line option, that is wrong."""


class WeightsError(PfoldError):
    """A checkpoint that is missing, damaged or not the model's."""


class SearchError(PfoldError):
    """A homology search that can't run."""


@contextlib.contextmanager
def explained_full_disk() -> Iterator[None]:
    """Turn the system's error for a full disk, wherever it comes from, into a `DiskFullError`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(error) from None
        raise


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that a file system or quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(PfoldError):
    """Nothing can be written any more."""

    def __init__(self, error: OSError) -> None:
        where = f" ({error.filename})" if error.filename else ""
        super().__init__(
            f"the disk is full{where}: free some space and run again; what is finished is kept, and nothing "
            "half written counts as done"
        )


# Exit codes: 1 targets were not folded, 2 wrong usage or configuration, 3 bad input, 4 weights, 5 search.
EXIT_CODES: tuple[tuple[type[PfoldError], int], ...] = (
    (ConfigError, 2),
    (InputError, 3),
    (WeightsError, 4),
    (SearchError, 5),
    (PfoldError, 1),
)


def exit_code(error: PfoldError) -> int:
    """The process exit code of an error."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
