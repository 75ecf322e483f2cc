"""Search for templates: the profile of an alignment against the sequences of the PDB, with HMMER (pyhmmer)."""

import re
from pathlib import Path

from pyhmmer.easel import DigitalMSA, TextMSA, TextSequence
from pyhmmer.hmmer import hmmsearch
from pyhmmer.plan7 import HMM, Background, Builder, Hit

from pfold.msa.a3m import Alignment, aligned_rows
from pfold.msa.database import ALPHABETS, as_text, load_database
from pfold.targets.types import PROTEIN
from pfold.templates.hits import TemplateHit

_NAME = re.compile(r"([A-Za-z0-9]{4})_(\w+)")
# As AlphaFold 3 runs hmmsearch for templates.
E_VALUE = 100.0
FILTER = {"F1": 0.1, "F2": 0.1, "F3": 0.1}
# Rows of the alignment that the profile is built of.
MAX_ROWS = 300


def search_templates(alignment: Alignment, seqres: Path, cpus: int = 1) -> list[TemplateHit]:
    """Chains of a PDB seqres FASTA (">1abc_A mol:protein ...") that the profile of an alignment finds, best first.

    Raises SearchError for a database that can't be read.
    """
    profile = build_profile(alignment)
    hits = next(iter(hmmsearch(profile, load_database(seqres), cpus=cpus, E=E_VALUE, **FILTER)))
    found = [_to_hit(hit) for hit in hits if hit.included or hit.reported]
    return [hit for hit in found if hit is not None]


def build_profile(alignment: Alignment) -> HMM:
    """The profile HMM of an alignment, whose query is its first row."""
    rows = aligned_rows(alignment)[:MAX_ROWS]
    sequences = [TextSequence(name=f"row{i}", sequence=row) for i, row in enumerate(rows)]
    msa: DigitalMSA = TextMSA(name="query", sequences=sequences).digitize(ALPHABETS[PROTEIN])
    # symfrac=0: every column of the query is one of the profile.
    hmm, _, _ = Builder(ALPHABETS[PROTEIN], symfrac=0.0).build_msa(msa, Background(ALPHABETS[PROTEIN]))
    return hmm


def _to_hit(hit: Hit) -> TemplateHit | None:
    name, description = as_text(hit.name), as_text(hit.description)
    match = _NAME.match(name)
    if match is None or ("mol:" in description and "mol:protein" not in description):
        return None
    alignment = hit.best_domain.alignment
    sequence = alignment.target_sequence
    aligned = sum(letter.isupper() for letter in sequence)
    return TemplateHit(match[1].lower(), match[2], sequence.replace("-", "").upper(), aligned)
