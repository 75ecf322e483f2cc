"""What runs have kept that no input needs any more: results, features and alignments."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfold.config import RunConfig
from pfold.features.store import FeatureStore
from pfold.keyed_store import KeyedStore
from pfold.msa.store import AlignmentStore
from pfold.results.receipt import read_receipt
from pfold.run.identity import entity_alignment, features_id, run_identity
from pfold.run.paths import RunPaths
from pfold.targets.table import NamedTarget, read_target_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leftover:
    """A file or folder that no input needs; kind: "result", "features" or "alignment"."""

    kind: str
    path: Path
    n_bytes: int


def find_leftovers(configs: Sequence[RunConfig], *, stores: bool) -> list[Leftover]:
    """What no target of these runs needs, by their tables of targets.

    Results whose target has left the input; and with `stores`, features and alignments of no target, in stores that
    the runs have: other runs that share them must be among `configs`.
    """
    runs = [(config, read_target_table(RunPaths(config.results).targets)[0]) for config in configs]
    found = [leftover for config, targets in runs for leftover in _results(config, targets)]
    if not stores:
        return found
    features: set[str] = set()
    alignments: set[str] = set()
    for config, targets in runs:
        run = run_identity(config)
        for named in targets:
            keys = [entity_alignment(entity, run, config) for entity in named.target.entities]
            features.add(features_id(named.target, keys, run))
            alignments.update(keys)
    for store in dict.fromkeys(config.store for config in configs):
        found += _entries("features", FeatureStore(store / "features"), features)
        found += _entries("alignment", AlignmentStore(store / "alignments"), alignments)
    return found


def remove_leftovers(leftovers: Sequence[Leftover]) -> None:
    """Remove what `find_leftovers` found."""
    for leftover in leftovers:
        if leftover.path.is_dir():
            shutil.rmtree(leftover.path)
        else:
            leftover.path.unlink(missing_ok=True)
        logger.info("removed %s", leftover.path)


def _results(config: RunConfig, targets: Sequence[NamedTarget]) -> Iterator[Leftover]:
    """Finished results in folders that are no target's; whatever else lies there is not pfold's."""
    folders = {named.folder for named in targets}
    for path in sorted(RunPaths(config.results).predictions.glob("[!.]*")):
        if path.name not in folders and read_receipt(path) is not None:
            yield Leftover("result", path, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _entries(kind: str, store: KeyedStore, needed: set[str]) -> Iterator[Leftover]:
    for key, path in store.entries():
        if key not in needed:
            yield Leftover(kind, path, path.stat().st_size)
