"""Search the sequences of one shard: each finished alignment is in the store before the next search starts."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pfold.errors import SearchError, explain, is_disk_full
from pfold.logs import progress
from pfold.search import jackhmmer
from pfold.search.a3m import Alignment
from pfold.search.settings import SearchSettings
from pfold.search.store import AlignmentStore
from pfold.targets.types import PROTEIN, RNA

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Query:
    """A sequence to search: the key of its alignment, what it is, and the target's name, for the log."""

    key: str
    sequence: str
    kind: str = PROTEIN
    label: str = ""


def search_shard(queries: Sequence[Query], settings: SearchSettings, store: AlignmentStore, cpus: int) -> None:
    """Search what the store lacks. Raises SearchError where a search can't run; what was found before is kept."""
    missing = [query for query in queries if query.key not in store]
    if len(missing) < len(queries):
        logger.info("%d of %d alignments are in the store already", len(queries) - len(missing), len(queries))
    labels = {query.key: query.label or query.key for query in missing}
    start = time.perf_counter()
    for key, alignment in _search_all(missing, labels, settings, store, cpus):
        store.write(key, alignment)
        now = time.perf_counter()
        if len(alignment) > 1:
            logger.info("%s: %d homologs in %.1f s", labels[key], len(alignment) - 1, now - start)
        else:
            logger.warning("%s: no homologs found in %.1f s; folded as a single sequence", labels[key], now - start)
        start = now


def _search_all(
    queries: Sequence[Query], labels: Mapping[str, str], settings: SearchSettings, store: AlignmentStore, cpus: int
) -> Iterator[tuple[str, Alignment]]:
    """Alignments as they are found: one by one, or many at once, by what the engine does."""
    rna = {query.key: query.sequence for query in queries if query.kind == RNA}
    if rna:
        from pfold.search import nhmmer

        yield from _one_by_one(rna, labels, lambda sequence: nhmmer.search(sequence, settings, cpus))
    proteins = {query.key: query.sequence for query in queries if query.kind == PROTEIN}
    if proteins:
        yield from _search_proteins(proteins, labels, settings, store, cpus)


def _one_by_one(
    sequences: Mapping[str, str], labels: Mapping[str, str], search: Callable[[str], Alignment]
) -> Iterator[tuple[str, Alignment]]:
    """Search sequence after sequence; what one raises is its own, and its targets then fail by name.

    Raises SearchError where no search can run, OSError where the disk is full.
    """
    for key, sequence in progress(list(sequences.items()), "search", "sequence"):
        try:
            found = search(sequence)
        except Exception as error:
            if isinstance(error, SearchError) or is_disk_full(error):
                raise
            logger.error("%s: its search failed: %s", labels[key], explain(error), exc_info=error)
            continue
        yield key, found


def _search_proteins(
    proteins: Mapping[str, str], labels: Mapping[str, str], settings: SearchSettings, store: AlignmentStore, cpus: int
) -> Iterator[tuple[str, Alignment]]:
    if settings.engine == "mmseqs2":
        from pfold.search import mmseqs

        yield from mmseqs.search(proteins, settings, cpus).items()
    elif settings.engine == "colabfold_server":
        from pfold.search import colabfold_server

        keys = list(proteins)
        size = colabfold_server.MAX_QUERIES
        for part in progress([keys[i : i + size] for i in range(0, len(keys), size)], "search", "request"):
            found = colabfold_server.search({k: proteins[k] for k in part}, settings, store.folder / "pending")
            yield from found.items()
    elif settings.engine == "precomputed":
        from pfold.search import precomputed

        # The features of targets that no folder has an alignment of fail by name, and the others go on.
        yield from precomputed.search(proteins, settings)
    else:
        yield from _one_by_one(proteins, labels, lambda sequence: jackhmmer.search(sequence, settings, cpus))
