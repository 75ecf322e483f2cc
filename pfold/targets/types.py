"""The one type behind all input formats, and what becomes of records that can't be folded."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

# The 20 standard amino acids and X, an unknown one.
PROTEIN_LETTERS = "ARNDCQEGHILKMFPSTWYVX"


@dataclass(frozen=True)
class Entity:
    """A distinct molecule of a target and the chains that are copies of it."""

    kind: str  # "protein"
    sequence: str
    ids: tuple[str, ...]  # one chain id a copy
    unpaired_msa: Path | None = None  # the user's own alignments (a3m)
    paired_msa: Path | None = None

    @property
    def count(self) -> int:
        """Number of copies."""
        return len(self.ids)


@dataclass(frozen=True)
class Target:
    """One thing to fold: a monomer or a complex."""

    name: str
    entities: tuple[Entity, ...]
    source: str = ""  # file, record and line it came from, for messages
    seeds: tuple[int, ...] = field(default=())  # modelSeeds of the input; empty: the configuration's

    @property
    def n_token(self) -> int:
        """Number of tokens: residues of all chains."""
        return sum(len(e.sequence) * e.count for e in self.entities)

    @property
    def id(self) -> str:
        """Identity of what is folded: 16 hex digits of a hash over the entities, whatever the target's name."""
        folded = [[e.kind, e.sequence, list(e.ids)] for e in self.entities]
        return hashlib.sha256(json.dumps(folded).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rejection:
    """A record that can't be folded and why; it stays in the tables to the end."""

    name: str
    reason: str
    source: str = ""


def chain_ids(count: int, taken: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """The next `count` chain ids that are not taken: A, B, ..., Z, AA, AB, ... (as mmCIF label_asym_id)."""
    ids: list[str] = []
    number = 0
    while len(ids) < count:
        number += 1
        letters, rest = "", number
        while rest:
            rest, letter = divmod(rest - 1, 26)
            letters = chr(ord("A") + letter) + letters
        if letters not in taken:
            ids.append(letters)
    return ids
