"""Receipts of finished results: the identity of each, and size and digest of its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pfold.files import file_digest, read_record
from pfold.results.layout import RECEIPT, best_structure


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
        structure = best_structure(folder)
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


def is_result_folder(folder: Path) -> bool:
    """Whether a folder is one of pfold's, if perhaps a damaged one, or there is nothing in it that could be lost."""
    if not folder.is_dir():
        return not folder.exists()
    names = {path.name for path in folder.iterdir()}
    return not names or bool(names & {RECEIPT, best_structure(folder).name})


def _last_touched(path: Path) -> int:
    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns)
