"""Errors that reach the user: their messages say what, where and what to do next."""

import contextlib
import errno
from collections.abc import Iterator

# Why a target was not folded: the device's memory, a job that died with it, a prediction of no finite numbers, its
# input, anything else.
OOM, CRASHED, NOT_FINITE, BAD_INPUT, ERROR = REASONS = ("oom", "crashed", "not_finite", "bad_input", "error")


class PfoldError(Exception):
    """Base of all errors that pfold raises on purpose; the command line prints them without a traceback.

    reason: one of REASONS, where it is a target's failure. retryable: whether another attempt may help.
    """

    reason = ERROR
    retryable = False


class InputError(PfoldError):
    """A file, record or sequence that can't be folded."""

    reason = BAD_INPUT


class ConfigError(PfoldError):
    """A configuration key or value, or a command-line option, that is wrong."""


class WeightsError(PfoldError):
    """A checkpoint that is missing, damaged or not the model's."""


class SearchError(PfoldError):
    """A homology search that can't run."""

    retryable = True


class NotFiniteError(PfoldError):
    """A prediction of NaN or infinite numbers; the message names the stage that made them."""

    reason = NOT_FINITE


class CrashedError(PfoldError):
    """A target that a process died with, as far as is known."""

    reason, retryable = CRASHED, True


class OutOfMemoryError(PfoldError):
    """The device's or the host's memory is not enough."""

    reason, retryable = OOM, True


class OperatorError(PfoldError):
    """A fused operator refused its arguments; the message is the operator's own."""


class DamagedError(PfoldError):
    """A file that pfold made can't be read any more; it is removed, and the next attempt makes it anew."""

    retryable = True


class ChangedError(PfoldError):
    """An input of a run that was replaced while it ran."""

    retryable = True


class ReplacedError(PfoldError):
    """The run would replace results of other inputs."""


class RunningError(PfoldError):
    """Another run is at work in the results folder."""


class StoppedError(PfoldError):
    """The job was told to stop before its batch was finished."""


class RetryableLeftError(PfoldError):
    """Targets of a batch failed in a way that another attempt may mend."""


class TooManyFailedError(PfoldError):
    """More targets failed than the configuration allows."""


@contextlib.contextmanager
def explained_os_errors() -> Iterator[None]:
    """Turn the system's refusals to write, wherever they come from, into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(error) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise NotWritableError(error) from None
        raise


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that a file system or quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(PfoldError):
    """Nothing can be written any more."""

    retryable = True

    def __init__(self, error: OSError) -> None:
        where = f" ({error.filename})" if error.filename else ""
        super().__init__(
            f"the disk is full{where}: free some space and run again; what is finished is kept, and nothing "
            "half written counts as done"
        )


class NotWritableError(PfoldError):
    """A file or folder that this user may not read or write."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"{error.filename or 'a file'}: {error.strerror}. Results, store and cache must be readable and writable "
            "for you; on a store that several users share, give it to their group (chmod g+rws) and set umask 002"
        )


def explain(error: BaseException) -> str:
    """What an error of any kind says, in a line: pfold's own in full, others with their type and first line."""
    if isinstance(error, PfoldError):
        return str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    lines = str(error).strip().splitlines()
    said = lines[0][:500] if lines else ""
    if isinstance(error, OSError | RuntimeError | ValueError | MemoryError) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


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
