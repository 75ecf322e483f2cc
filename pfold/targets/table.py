"""The table of all records of a run: targets to fold and rejected ones, with their reasons."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pfold.files import write_table
from pfold.targets.names import folder_names
from pfold.targets.read import read_records
from pfold.targets.types import Entity, Rejection, Target

logger = logging.getLogger(__name__)

COLUMNS = ("name", "folder", "target_id", "n_token", "n_chain", "status", "reason", "source", "entities", "seeds")


@dataclass(frozen=True)
class NamedTarget:
    """A target and the name of its results folder."""

    target: Target
    folder: str


def collect_targets(files: Iterable[Path], max_tokens: int) -> list[Target | Rejection]:
    """All records of the files in order; names used twice and targets over max_tokens become rejections."""
    records: list[Target | Rejection] = []
    first: dict[str, str] = {}
    for file in files:
        for record in read_records(file):
            if isinstance(record, Target):
                record = _check(record, first.get(record.name), max_tokens)
            if isinstance(record, Target):
                first[record.name] = record.source
            else:
                logger.warning("rejected: %s: %s", record.source, record.reason)
            records.append(record)
    return records


def _check(target: Target, earlier: str | None, max_tokens: int) -> Target | Rejection:
    if earlier is not None:
        reason = f"the name is used before, by {earlier}; give each target a name of its own"
        return Rejection(target.name, reason, target.source)
    if target.n_token > max_tokens:
        reason = f"{target.n_token} residues are over the limit of {max_tokens} (max_tokens in the configuration)"
        return Rejection(target.name, reason, target.source)
    return target


def write_targets(records: Sequence[Target | Rejection], path: Path) -> None:
    """Write the table as Parquet and, beside it, as CSV."""
    accepted = [r for r in records if isinstance(r, Target)]
    folders = iter(folder_names(t.name for t in accepted))
    rows = [_row(r, next(folders) if isinstance(r, Target) else "") for r in records]
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), path)
    n_rejected = len(records) - len(accepted)
    logger.info("targets: %d accepted, %d rejected", len(accepted), n_rejected)


def _row(record: Target | Rejection, folder: str) -> dict[str, object]:
    if isinstance(record, Rejection):
        row = {"name": record.name, "status": "rejected", "reason": record.reason, "source": record.source}
        return {"folder": "", "target_id": "", "n_token": 0, "n_chain": 0, "entities": "[]", "seeds": "[]"} | row
    entities = [
        {
            "kind": e.kind,
            "sequence": e.sequence,
            "ids": list(e.ids),
            "unpaired_msa": str(e.unpaired_msa or ""),
            "paired_msa": str(e.paired_msa or ""),
        }
        for e in record.entities
    ]
    return {
        "name": record.name,
        "folder": folder,
        "target_id": record.id,
        "n_token": record.n_token,
        "n_chain": sum(e.count for e in record.entities),
        "status": "accepted",
        "reason": "",
        "source": record.source,
        "entities": json.dumps(entities),
        "seeds": json.dumps(list(record.seeds)),
    }


def read_target_table(path: Path) -> tuple[list[NamedTarget], list[Rejection]]:
    """The targets with their folders, and the rejections, of a table that `write_targets` wrote."""
    targets: list[NamedTarget] = []
    rejections: list[Rejection] = []
    for row in pd.read_parquet(path).to_dict("records"):
        if row["status"] == "rejected":
            rejections.append(Rejection(row["name"], row["reason"], row["source"]))
            continue
        entities = tuple(_entity(e) for e in json.loads(row["entities"]))
        target = Target(row["name"], entities, row["source"], tuple(json.loads(row["seeds"])))
        targets.append(NamedTarget(target, row["folder"]))
    return targets, rejections


def _entity(e: dict[str, str]) -> Entity:
    unpaired, paired = (Path(e[key]) if e[key] else None for key in ("unpaired_msa", "paired_msa"))
    return Entity(e["kind"], e["sequence"], tuple(e["ids"]), unpaired, paired)
