"""Outcomes of targets: finished results by their receipts, and failures, kept from one attempt to the next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pfold.errors import ERROR, OOM, PfoldError
from pfold.files import file_digest, read_record, write_json

# The file that makes a folder a finished result; it names the result's identity, and size and digest of its files.
RECEIPT = "result.json"
# After this many attempts a retryable failure is final, so that it does not block its batch for ever.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Sample:
    """One sample of a target: its seed and number, coordinates, and the scores of `pfold.confidence`."""

    seed: int
    number: int
    coordinate: np.ndarray
    summary: Mapping[str, Any]
    full_data: Mapping[str, np.ndarray]

    @property
    def label(self) -> str:
        """Name of the sample's folder."""
        return f"seed-{self.seed}_sample-{self.number}"


@dataclass(frozen=True)
class ResultInfo:
    """What is recorded of a result besides its samples; seconds is the time the target took."""

    result_id: str
    model: str
    untrained: bool
    bucket: int
    n_msa: int
    seconds: float
    settings: Mapping[str, Any]


def read_receipt(folder: Path) -> dict[str, Any] | None:
    """The receipt of a finished result; None where the folder holds none that can be read."""
    return read_record(folder / RECEIPT, "result_id", "samples")


def is_done(folder: Path, result_id: str) -> bool:
    """Whether the folder holds the finished result of this identity, its files as they were written."""
    receipt = read_receipt(folder)
    return receipt is not None and receipt["result_id"] == result_id and is_intact(folder, receipt)


def is_intact(folder: Path, receipt: Mapping[str, Any]) -> bool:
    """Whether the files of the best sample are there as they were written.

    They are compared by size, and where one was touched after the receipt, by content. Of results of earlier versions,
    whose receipts name no files, the structure must be there.
    """
    if "files" not in receipt:
        structure = folder / f"{folder.name}_model.cif"
        return structure.is_file() and structure.stat().st_size > 0
    written = _last_touched(folder / RECEIPT)
    for name, known in receipt["files"].items():
        path = folder / name
        try:
            if path.stat().st_size != known["bytes"]:
                return False
            if _last_touched(path) > written and file_digest(path) != known["sha256"]:
                return False
        except OSError:
            return False
    return True


def _last_touched(path: Path) -> int:
    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True)
class Failure:
    """Why a target could not be folded."""

    name: str
    result_id: str
    reason: str  # one of REASONS
    message: str
    retryable: bool
    attempts: int


def failure_path(folder: Path, target_folder: str) -> Path:
    """Where the failure of a target is or will be."""
    return folder / f"{target_folder}.json"


def read_failure(folder: Path, target_folder: str, result_id: str) -> Failure | None:
    """The failure of a target under this identity; None where there is none."""
    failure = _read(failure_path(folder, target_folder))
    return failure if failure is not None and failure.result_id == result_id else None


def _read(path: Path) -> Failure | None:
    """A failure; None where there is none, or a damaged file, which counts as none."""
    names = [field.name for field in fields(Failure)]
    record = read_record(path, *names)
    return None if record is None else Failure(**{name: record[name] for name in names})


def record_failure(
    folder: Path, target_folder: str, name: str, result_id: str, reason: str, message: str, retryable: bool
) -> Failure:
    """Write down a failure, counting attempts; a retryable one is final at the last attempt."""
    earlier = read_failure(folder, target_folder, result_id)
    attempts = 1 + (earlier.attempts if earlier else 0)
    failure = Failure(name, result_id, reason, message, retryable and attempts < MAX_ATTEMPTS, attempts)
    write_json(failure_path(folder, target_folder), asdict(failure))
    return failure


def folders_of(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, folder) of a target of the plan and of its copies."""
    return [(entry["name"], entry["folder"]) for entry in (item, *item["copies"])]


def record_failures(folder: Path, item: Mapping[str, Any], reason: str, message: str, retryable: bool) -> Failure:
    """Write down the failure of a target of the plan and of its copies; returns the target's."""
    failures = [
        record_failure(folder, target_folder, name, item["result_id"], reason, message, retryable)
        for name, target_folder in folders_of(item)
    ]
    return failures[0]


def pardon(folder: Path, reason: str | None) -> list[str]:
    """Let the next run try failed targets again, all or those of one reason; returns their names.

    That they failed stays on record: they are folded alone, and with more memory where that was the reason.
    """
    pardoned = []
    for path in sorted(folder.glob("*.json")):
        failure = _read(path)
        if failure is not None and reason in (None, failure.reason):
            write_json(path, asdict(replace(failure, retryable=True, attempts=0)))
            pardoned.append(failure.name)
    return pardoned


def clear_failure(folder: Path, target_folder: str) -> None:
    """Forget a target's failure."""
    failure_path(folder, target_folder).unlink(missing_ok=True)


def classify(error: Exception) -> tuple[str, bool]:
    """Reason of a failure, one of `errors.REASONS`, and whether another attempt may succeed."""
    if isinstance(error, PfoldError):
        return error.reason, error.retryable
    return (OOM if isinstance(error, MemoryError) else ERROR), True
