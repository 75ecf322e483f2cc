"""The store of template hits, under the hash of the alignment and the template search."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pfold.errors import DamagedError
from pfold.files import read_json
from pfold.keyed_store import KeyedStore
from pfold.templates.hits import TemplateHit

logger = logging.getLogger(__name__)


class TemplateHitStore(KeyedStore):
    """Template hits of alignments under one folder."""

    suffix = ".json"

    def read(self, key: str) -> list[TemplateHit] | None:
        """The hits of a key; None where they were not searched yet, or the file was damaged."""
        if key not in self:
            return None
        try:
            return self.load(key, _read_hits, "", "it is searched anew")
        except DamagedError as error:
            logger.warning("%s", error)
            return None

    def write(self, key: str, hits: Sequence[TemplateHit]) -> None:
        """Keep hits; the file is whole or not there."""
        self.save(key, json.dumps({"hits": [asdict(hit) for hit in hits]}, indent=1).encode())


def _read_hits(path: Path) -> list[TemplateHit]:
    return [TemplateHit(**hit) for hit in read_json(path)["hits"]]
