"""Targets as JSON text, for the table of targets."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pfold.targets.types import (
    AtomRef,
    Bond,
    Contact,
    Entity,
    Modification,
    Pocket,
    Target,
    TemplateStructure,
)

_PATH = "path"
# Parts whose emptiness means something.
_MEANT = ("unpaired_msa", "paired_msa", "templates", "sequence")
# Parts of a target that have a column of their own in the table.
_COLUMNS = ("name", "source")


def target_to_json(target: Target) -> str:
    """Everything of a target but its name and source, without what is empty."""
    content = {k: v for k, v in asdict(target).items() if k not in _COLUMNS}
    return json.dumps(_without_empty(content), default=_path, separators=(",", ":"))


def _path(value: Any) -> Any:
    if isinstance(value, Path):
        return {_PATH: str(value)}
    raise TypeError(f"{type(value).__name__} is not part of a target")


def _without_empty(value: Any) -> Any:
    """Drop parts that are their type's default; empty alignments and templates mean something and stay."""
    if isinstance(value, dict):
        return {k: _without_empty(v) for k, v in value.items() if v is not None and (v not in ("", ()) or k in _MEANT)}
    if isinstance(value, list | tuple):
        return [_without_empty(v) for v in value]
    return value


def target_from_json(text: str, name: str, source: str) -> Target:
    """The target of `target_to_json`."""
    content = json.loads(text)
    return Target(
        name,
        tuple(_entity(e) for e in content["entities"]),
        source,
        tuple(content.get("seeds", ())),
        bonds=tuple(Bond(**_refs(b)) for b in content.get("bonds", ())),
        contacts=tuple(Contact(**_refs(c)) for c in content.get("contacts", ())),
        pockets=tuple(_pocket(p) for p in content.get("pockets", ())),
        components=content.get("components", ""),
        bait=content.get("bait", ""),
        prey=content.get("prey", ""),
    )


def _refs(item: dict[str, Any]) -> dict[str, Any]:
    return item | {key: AtomRef(**item[key]) for key in ("first", "second")}


def _pocket(item: dict[str, Any]) -> Pocket:
    return Pocket(item["binder"], tuple(AtomRef(**r) for r in item["residues"]), item["max_distance"])


def _entity(item: dict[str, Any]) -> Entity:
    content = dict(item)
    for key in ("unpaired_msa", "paired_msa", "templates"):
        if isinstance(content.get(key), dict):
            content[key] = Path(content[key][_PATH])
    if isinstance(content.get("templates"), list):
        content["templates"] = tuple(_template(t) for t in content["templates"])
    content["modifications"] = tuple(Modification(**m) for m in content.get("modifications", ()))
    content["ids"], content["codes"] = tuple(content["ids"]), tuple(content.get("codes", ()))
    return Entity(**content)


def _template(item: dict[str, Any]) -> TemplateStructure:
    structure = item["structure"]
    residues = tuple((int(q), int(t)) for q, t in item.get("residues", ()))
    return TemplateStructure(
        Path(structure[_PATH]) if isinstance(structure, dict) else structure, item.get("chain", ""), residues
    )
