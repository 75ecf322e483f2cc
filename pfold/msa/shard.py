"""Search the sequences of one shard: each finished alignment is in the store before the next search starts."""

import logging
import time
from collections.abc import Sequence

from pfold.msa.engines import protein_engine, rna_engine
from pfold.msa.engines.engine import Query
from pfold.msa.settings import SearchSettings
from pfold.msa.store import AlignmentStore
from pfold.targets.types import RNA

logger = logging.getLogger(__name__)


def search_shard(queries: Sequence[Query], settings: SearchSettings, store: AlignmentStore, cpus: int) -> None:
    """Search what the store lacks. Raises SearchError where a search can't run; what was found before is kept."""
    missing = [query for query in queries if query.key not in store]
    if len(missing) < len(queries):
        logger.info("%d of %d alignments are in the store already", len(queries) - len(missing), len(queries))
    labels = {query.key: query.label or query.key for query in missing}
    start = time.perf_counter()
    for is_rna, engine in ((True, rna_engine(settings)), (False, protein_engine(settings))):
        mine = [query for query in missing if (query.kind == RNA) == is_rna]
        if not mine:
            continue
        for key, alignment in engine.search(mine, store.folder / "pending", cpus):
            store.write(key, alignment)
            now = time.perf_counter()
            if len(alignment) > 1:
                logger.info("%s: %d homologs in %.1f s", labels[key], len(alignment) - 1, now - start)
            else:
                logger.warning("%s: no homologs found in %.1f s; folded as a single sequence", labels[key], now - start)
            start = now
