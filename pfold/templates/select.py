"""From template hits to templates: filters, realignment and atoms (reference: template_utils.py)."""

import datetime
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import kalign
import numpy as np

from pfold.errors import InputError
from pfold.targets.types import TemplateStructure
from pfold.templates.hits import TemplateHit
from pfold.templates.structures import ATOM37, Template, TemplateChain, find_structure, read_template_chain

logger = logging.getLogger(__name__)

MAX_TEMPLATES = 4
# The reference's filters.
MAX_CANDIDATES = 20
MIN_ALIGNED_FRACTION = 0.1
MIN_HIT_LENGTH = 10
DUPLICATE_FRACTION = 0.95
MIN_ATOMS = 5
MAX_CA_DISTANCE = 150.0
_CA = ATOM37.index("CA")


def select_templates(query: str, hits: Sequence[TemplateHit], mirror: Path, max_date: datetime.date) -> list[Template]:
    """The first few hits that pass the filters and have a structure released by max_date, realigned to the query.

    mirror: folder of mmCIF files. A hit that can't be used is passed over with a line in the log.
    """
    found: list[Template] = []
    for hit in _worth_trying(query, hits):
        if len(found) >= MAX_TEMPLATES:
            break
        label = f"template {hit.pdb_id}_{hit.chain}"
        try:
            chain = read_template_chain(find_structure(mirror, hit.pdb_id), hit.chain)
            if chain.released is None or chain.released > max_date:
                logger.info("%s: passed over: released %s, after %s", label, chain.released, max_date)
                continue
            template = map_template(query, chain, align_pair(query, chain.sequence))
        except InputError as error:
            logger.warning("%s: passed over: %s", label, error)
            continue
        if all(template.sequence != other.sequence for other in found):
            found.append(template)
    return found


def _worth_trying(query: str, hits: Iterable[TemplateHit]) -> list[TemplateHit]:
    kept: dict[str, TemplateHit] = {}
    for hit in hits:
        duplicate = hit.sequence in query and len(hit.sequence) / len(query) > DUPLICATE_FRACTION
        short = hit.n_aligned / len(query) <= MIN_ALIGNED_FRACTION or len(hit.sequence) < MIN_HIT_LENGTH
        if not duplicate and not short:
            kept.setdefault(hit.sequence, hit)
    return list(kept.values())[:MAX_CANDIDATES]


def given_templates(query: str, structures: Sequence[TemplateStructure]) -> list[Template]:
    """The templates that an input brings along, at most four. Raises InputError for one that can't be used."""
    found = []
    for given in structures[:MAX_TEMPLATES]:
        chain = read_template_chain(given.structure, given.chain)
        pairs = given.residues or align_pair(query, chain.sequence)
        for q, t in pairs:
            if not (0 <= q < len(query) and 0 <= t < len(chain.sequence)):
                raise InputError(
                    f"{chain.name}: query residue {q} and template residue {t} (from 0) are not both in sequences of "
                    f"{len(query)} and {len(chain.sequence)} residues"
                )
        found.append(map_template(query, chain, pairs))
    return found


def align_pair(query: str, template: str) -> list[tuple[int, int]]:
    """(query residue, template residue) pairs, from 0, of the global alignment of two sequences by Kalign."""
    rows = kalign.align([query, template], seq_type="protein", n_threads=1)
    pairs, q, t = [], -1, -1
    for a, b in zip(*rows, strict=True):
        q, t = q + (a != "-"), t + (b != "-")
        if a != "-" and b != "-":
            pairs.append((q, t))
    return pairs


def map_template(query: str, chain: TemplateChain, pairs: Sequence[tuple[int, int]]) -> Template:
    """A chain's residues at the query's, its atoms centred.

    Raises InputError where hardly an atom is left or consecutive Cα are impossibly far apart.
    """
    ca = chain.positions[chain.mask[:, _CA], _CA]
    if len(ca) > 1 and np.linalg.norm(np.diff(ca, axis=0), axis=1).max() > MAX_CA_DISTANCE:
        raise InputError(f"{chain.name}: consecutive Cα atoms are over {MAX_CA_DISTANCE} Å apart")
    centre = chain.positions[chain.mask].mean(axis=0) if chain.mask.any() else np.zeros(3, np.float32)
    letters = ["-"] * len(query)
    positions = np.zeros((len(query), len(ATOM37), 3), np.float32)
    mask = np.zeros((len(query), len(ATOM37)), bool)
    for q, t in pairs:
        letters[q] = chain.sequence[t]
        mask[q] = chain.mask[t]
        positions[q] = np.where(chain.mask[t][:, None], chain.positions[t] - centre, 0)
    if mask.sum() < MIN_ATOMS:
        raise InputError(f"{chain.name}: no atom of the template is aligned to the query")
    return Template(chain.name, "".join(letters), positions, mask)
