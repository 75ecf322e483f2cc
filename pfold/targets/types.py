"""The one type behind all input formats, and what becomes of records that can't be folded."""

import os
from dataclasses import dataclass
from pathlib import Path

from pfold.targets.identity import target_identity

PROTEIN = "protein"
DNA = "dna"
RNA = "rna"
LIGAND = "ligand"
ION = "ion"
POLYMERS = (PROTEIN, DNA, RNA)

# Letters of polymer sequences: the standard residues, unknown ones (X, N), inosine (I), and U in DNA.
LETTERS = {PROTEIN: "ARNDCQEGHILKMFPSTWYVX", DNA: "AGCTUINX", RNA: "AGCUINX"}
_RESIDUE = {PROTEIN: "an amino acid", DNA: "a DNA nucleotide", RNA: "an RNA nucleotide"}


@dataclass(frozen=True)
class Modification:
    """A modified residue: its number in the chain, from 1, and the CCD code that stands there."""

    position: int
    code: str


@dataclass(frozen=True)
class TemplateStructure:
    """A template that an input brings along: an mmCIF or PDB file, or mmCIF text, and the chain to take.

    residues: (query residue, template residue) pairs, from 0, the template's in the order of its full sequence; where
    there are none the template's sequence is aligned to the query. An empty chain id is the structure's only chain.
    """

    structure: Path | str
    chain: str = ""
    residues: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Entity:
    """A distinct molecule of a target and the chains that are copies of it.

    Alignments are a file (a3m) or its text; empty text is the user's wish for none, None leaves it to the search. So
    are templates: a file of hits (.a3m or .hhr), structures, or none of them. A polymer has a sequence. A ligand has
    CCD codes (one a residue), a SMILES string, or a molecule with 3D coordinates as MDL mol block; an ion has one code.
    """

    kind: str
    sequence: str
    ids: tuple[str, ...]  # one chain id a copy
    unpaired_msa: Path | str | None = None
    paired_msa: Path | str | None = None
    templates: Path | tuple[TemplateStructure, ...] | None = None
    modifications: tuple[Modification, ...] = ()
    codes: tuple[str, ...] = ()
    smiles: str = ""
    molecule: str = ""

    @property
    def count(self) -> int:
        """Number of copies."""
        return len(self.ids)

    @property
    def has_own_msa(self) -> bool:
        """Whether the user brings the entity's alignments, or wants none."""
        return self.unpaired_msa is not None or self.paired_msa is not None

    @property
    def is_polymer(self) -> bool:
        """Whether the entity is a protein, DNA or RNA."""
        return self.kind in POLYMERS


@dataclass(frozen=True)
class AtomRef:
    """An atom, or with no atom name a residue: chain id, residue number from 1, atom name."""

    chain: str
    position: int
    atom: str = ""


@dataclass(frozen=True)
class Bond:
    """A covalent bond between residues, beyond those of a polymer."""

    first: AtomRef
    second: AtomRef


@dataclass(frozen=True)
class Contact:
    """A distance constraint between two residues or two atoms of different chains (Å)."""

    first: AtomRef
    second: AtomRef
    max_distance: float
    min_distance: float = 0.0


@dataclass(frozen=True)
class Pocket:
    """Residues that a chain, the binder, is to touch within a distance (Å)."""

    binder: str
    residues: tuple[AtomRef, ...]
    max_distance: float


@dataclass(frozen=True)
class Target:
    """One thing to fold: a monomer or a complex."""

    name: str
    entities: tuple[Entity, ...]
    source: str = ""  # file, record and line it came from, for messages
    seeds: tuple[int, ...] = ()  # modelSeeds of the input; empty: the configuration's
    bonds: tuple[Bond, ...] = ()
    contacts: tuple[Contact, ...] = ()
    pockets: tuple[Pocket, ...] = ()
    components: str = ""  # the user's own CCD components for this target, as mmCIF text
    bait: str = ""  # of a screen's complex: names of what it was joined from
    prey: str = ""

    @property
    def id(self) -> str:
        """Identity of what is folded (`pfold.targets.identity`)."""
        return target_identity(self)

    @property
    def file(self) -> str:
        """Full path of the file that the target came from; "" where it came from none."""
        return os.path.abspath(self.source.split(", record ")[0]) if self.source else ""

    def file_from(self, folder: Path) -> str:
        """`file` as seen from a folder: the same when both are moved; "" where the target came from none."""
        return os.path.relpath(self.file, folder) if self.file else ""

    @property
    def chain_ids(self) -> list[str]:
        """Ids of all chains, in order."""
        return [chain_id for entity in self.entities for chain_id in entity.ids]


@dataclass(frozen=True)
class Rejection:
    """A record that can't be folded and why; it stays in the tables to the end."""

    name: str
    reason: str
    source: str = ""

    def __post_init__(self) -> None:
        # Whatever the record held, tables and logs can be written.
        for part in ("name", "reason", "source"):
            object.__setattr__(self, part, printable(getattr(self, part)))


# Most characters that a table or message shows of a text of the user's.
MAX_SHOWN = 2000
MAX_NAME = 1000


def printable(text: str) -> str:
    """A text as tables and logs can hold it: what can't be printed or encoded is escaped, what is too long is cut."""
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in shown)


def bad_name(name: str) -> str:
    """What is wrong with a target's name; "" where nothing is."""
    if not name.strip():
        return "the name is empty"
    if not name.isprintable():
        return f"the name {printable(name)[:80]!r} has a character that can't be printed; give it a plain name"
    return f"the name has over {MAX_NAME} characters; give it a shorter one" if len(name) > MAX_NAME else ""


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


def bad_letter(sequence: str, kind: str = PROTEIN) -> str:
    """What is wrong with the first letter that is not one of the polymer's; "" where all are."""
    allowed = LETTERS[kind]
    for position, letter in enumerate(sequence, start=1):
        if letter not in allowed:
            unknown = "X" if kind == PROTEIN else "N"
            return (
                f'position {position}: "{letter}" is not {_RESIDUE[kind]} (allowed: {allowed}); '
                f"replace unusual residues by {unknown}, or name them in the modifications of a JSON or YAML input"
            )
    return ""
