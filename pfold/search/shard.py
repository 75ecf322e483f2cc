"""Search the sequences of one shard: each finished alignment is in the store before the next search starts."""

import logging
import time
from collections.abc import Mapping

from pfold.logs import progress
from pfold.search.jackhmmer import search
from pfold.search.settings import SearchSettings
from pfold.search.store import AlignmentStore

logger = logging.getLogger(__name__)


def search_shard(
    sequences: Mapping[str, str], labels: Mapping[str, str], settings: SearchSettings, store: AlignmentStore, cpus: int
) -> None:
    """Search what the store lacks.

    sequences: alignment id -> sequence; labels: alignment id -> the target's name, for the log.
    Raises SearchError for a database that can't be read; what was found before is kept.
    """
    missing = {key: sequence for key, sequence in sequences.items() if key not in store}
    if len(missing) < len(sequences):
        logger.info("%d of %d alignments are in the store already", len(sequences) - len(missing), len(sequences))
    for key, sequence in progress(missing.items(), "search", "sequence"):
        start = time.perf_counter()
        alignment = search(sequence, settings, cpus)
        store.write(key, alignment)
        seconds = time.perf_counter() - start
        logger.info("%s: %d homologs in %.1f s", labels.get(key, key), len(alignment) - 1, seconds)
