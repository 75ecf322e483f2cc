"""Failures of targets, kept from one attempt to the next."""

import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from pfold.errors import ERROR, OOM, PfoldError, explain
from pfold.files import read_record, write_json
from pfold.run.jobs import PlannedResult

logger = logging.getLogger(__name__)

# After this many attempts a retryable failure is final, so that it does not block its batch for ever.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Failure:
    """Why a target could not be folded."""

    name: str
    result_id: str
    reason: str  # one of REASONS
    message: str
    retryable: bool
    attempts: int


class FailureStore:
    """The failures of a run under one folder: a file for each target, by the name of its result folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, target_folder: str) -> Path:
        """Where the failure of a target is or will be."""
        return self.folder / f"{target_folder}.json"

    def read(self, target_folder: str, result_id: str) -> Failure | None:
        """The failure of a target under this identity; None where there is none."""
        failure = _read(self.path(target_folder))
        return failure if failure is not None and failure.result_id == result_id else None

    def record(self, error: Exception, planned: PlannedResult) -> Failure:
        """Classify what a target raised, write it down for it and its copies, and log it; returns the target's.

        Attempts are counted, and a retryable failure is final at the last attempt.
        """
        reason, retryable = classify(error)
        message = explain(error)
        failures = []
        for place in planned.places:
            earlier = self.read(place.folder, planned.result_id)
            attempts = 1 + (earlier.attempts if earlier else 0)
            again = retryable and attempts < MAX_ATTEMPTS
            failures.append(Failure(place.name, planned.result_id, reason, message, again, attempts))
            write_json(self.path(place.folder), asdict(failures[-1]))
        failure = failures[0]
        what = "will be tried again" if failure.retryable else "is given up"
        show = None if isinstance(error, PfoldError) else error
        logger.error(
            "%s failed (%s, attempt %d) and %s: %s",
            failure.name,
            reason,
            failure.attempts,
            what,
            message,
            exc_info=show,
        )
        return failure

    def pardon(self, reason: str | None) -> list[str]:
        """Let the next run try failed targets again, all or those of one reason; returns their names.

        That they failed stays on record: they are folded alone, and with more memory where that was the reason.
        """
        pardoned = []
        for path in sorted(self.folder.glob("*.json")):
            failure = _read(path)
            if failure is not None and reason in (None, failure.reason):
                write_json(path, asdict(replace(failure, retryable=True, attempts=0)))
                pardoned.append(failure.name)
        return pardoned

    def clear(self, target_folder: str) -> None:
        """Forget a target's failure."""
        self.path(target_folder).unlink(missing_ok=True)


def _read(path: Path) -> Failure | None:
    """A failure; None where there is none, or a damaged file, which counts as none."""
    names = [field.name for field in fields(Failure)]
    record = read_record(path, *names)
    return None if record is None else Failure(**{name: record[name] for name in names})


def classify(error: Exception) -> tuple[str, bool]:
    """Reason of a failure, one of `errors.REASONS`, and whether another attempt may succeed."""
    if isinstance(error, PfoldError):
        return error.reason, error.retryable
    return (OOM if isinstance(error, MemoryError) else ERROR), True
