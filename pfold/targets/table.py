"""The table of all records of a run: targets to fold and rejected ones, with their reasons."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pandas as pd

from pfold.files import read_table, write_table
from pfold.targets.names import folder_names
from pfold.targets.rejected import rejected
from pfold.targets.serial import target_from_json, target_to_json
from pfold.targets.types import Rejection, Target

logger = logging.getLogger(__name__)

COLUMNS = ("name", "folder", "target_id", "n_token", "n_chain", "status", "reason", "source", "content")


class RecordStatus(StrEnum):
    """What became of a record when it was read."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class NamedTarget:
    """A target, the name of its results folder, and its number of tokens."""

    target: Target
    folder: str
    n_token: int


@dataclass(frozen=True)
class Counted:
    """A target that can be folded and its number of tokens."""

    target: Target
    n_token: int


Record = Counted | Rejection


def collect_targets(
    found: Iterable[Target | Rejection], count_tokens: Callable[[Target], int], max_tokens: int
) -> list[Record]:
    """All records that were read, in order; what can't be folded becomes a rejection.

    count_tokens: the number of tokens of a target, or an InputError for one that can't be built. Whatever a record
    raises is its own rejection. Names used twice and targets over max_tokens are rejected too.
    """
    records: list[Record] = []
    first: dict[str, str] = {}
    for read in found:
        record = _check(read, first.get(read.name), count_tokens, max_tokens) if isinstance(read, Target) else read
        if isinstance(record, Counted):
            first[record.target.name] = record.target.source
        else:
            logger.warning("rejected: %s: %s", record.source, record.reason)
        records.append(record)
    return records


def _check(target: Target, earlier: str | None, count_tokens: Callable[[Target], int], max_tokens: int) -> Record:
    if earlier is not None:
        reason = f"the name is used before, by {earlier}; give each target a name of its own"
        return Rejection(target.name, reason, target.source)
    # Copies are counted before anything is built for them.
    n_token = sum(max(len(e.sequence), len(e.codes), 1) * e.count for e in target.entities)
    if n_token <= max_tokens:
        try:
            n_token = count_tokens(target)
        except Exception as error:
            return rejected(error, target.name, target.source)
    if n_token > max_tokens:
        reason = f"{n_token} tokens are over the limit of {max_tokens} (max_tokens in the configuration)"
        return Rejection(target.name, reason, target.source)
    return Counted(target, n_token)


def write_targets(records: Sequence[Record], path: Path) -> None:
    """Write the table as Parquet and, beside it, as CSV."""
    accepted = [r for r in records if isinstance(r, Counted)]
    folders = iter(folder_names(r.target.name for r in accepted))
    rows = [_row(r, next(folders) if isinstance(r, Counted) else "") for r in records]
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), path)
    n_rejected = len(records) - len(accepted)
    logger.info("targets: %d accepted, %d rejected", len(accepted), n_rejected)


def _row(record: Record, folder: str) -> dict[str, object]:
    if isinstance(record, Rejection):
        row = {"name": record.name, "reason": record.reason, "source": record.source, "status": RecordStatus.REJECTED}
        return {"folder": "", "target_id": "", "n_token": 0, "n_chain": 0, "content": "{}"} | row
    target = record.target
    return {
        "name": target.name,
        "folder": folder,
        "target_id": target.id,
        "n_token": record.n_token,
        "n_chain": len(target.chain_ids),
        "status": RecordStatus.ACCEPTED,
        "reason": "",
        "source": target.source,
        "content": target_to_json(target),
    }


def read_target_table(path: Path, folders: Sequence[str] | None = None) -> tuple[list[NamedTarget], list[Rejection]]:
    """The targets with their folders, and the rejections, of a table that `write_targets` wrote.

    folders: only the targets of these.
    """
    targets: list[NamedTarget] = []
    rejections: list[Rejection] = []
    chosen = None if folders is None else [("folder", "in", list(folders))]
    for row in read_table(path, "make it with `pfold targets`", filters=chosen).to_dict("records"):
        if row["status"] == RecordStatus.REJECTED:
            rejections.append(Rejection(row["name"], row["reason"], row["source"]))
            continue
        target = target_from_json(row["content"], row["name"], row["source"])
        targets.append(NamedTarget(target, row["folder"], int(row["n_token"])))
    return targets, rejections
