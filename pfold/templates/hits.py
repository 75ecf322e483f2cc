"""Template hits: what hmmsearch (.a3m) or HHsearch (.hhr) found for a protein (reference: template_parser.py)."""

import re
from dataclasses import dataclass
from pathlib import Path

from pfold.errors import InputError
from pfold.msa.a3m import read_fasta_rows

# ">1abc_A/12-140 [subseq from] mol:protein length:150 NAME", as hmmsearch names hits in pdb_seqres.
_DESCRIPTION = re.compile(r"([A-Za-z0-9]{4})_(\w+)/(\d+)-(\d+)\b.*mol:protein")
_HHR_SUMMARY = re.compile(r"Aligned_cols=(\d+).*Sum_probs=([0-9.]+)")
_HHR_NAME = re.compile(r"([A-Za-z0-9]{4})_([A-Za-z0-9.]+)")
_HHR_TEMPLATE_LINE = re.compile(r"T\s+(?!ss_|Consensus)\S+\s+(\d+)\s+([A-Z-]+)\s+\d+")


@dataclass(frozen=True)
class TemplateHit:
    """A chain of the PDB that may be a template.

    sequence: the part that aligned, without gaps. n_aligned: aligned columns. score: hits are taken in its order,
    highest first; hits of hmmsearch have none and keep theirs.
    """

    pdb_id: str
    chain: str
    sequence: str
    n_aligned: int
    score: float = 0.0


def read_template_hits(path: Path) -> list[TemplateHit]:
    """Read hits of an .a3m (hmmsearch against pdb_seqres) or .hhr file (HHsearch against pdb70).

    Raises InputError for a file that can't be read or is neither.
    """
    try:
        content = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the template hits can't be read ({error})") from None
    if path.suffix == ".hhr":
        return parse_hhr(content, str(path))
    if path.suffix == ".a3m":
        return parse_hit_a3m(content, str(path))
    raise InputError(f"{path}: template hits are read from .a3m and .hhr files")


def parse_hit_a3m(content: str, source: str) -> list[TemplateHit]:
    """Hits of an a3m; rows that are no PDB protein, such as the query, are passed over.

    Raises InputError, naming the row, for a protein row whose description is not hmmsearch's.
    """
    hits = []
    for description, row in zip(*read_fasta_rows(content.splitlines(), source), strict=True):
        if "mol:protein" not in description:
            continue
        match = _DESCRIPTION.match(description)
        if match is None:
            raise InputError(f'{source}: the hit "{description[:60]}" is not named as "1abc_A/1-100 mol:protein ..."')
        aligned = sum(letter.isupper() for letter in row)
        hits.append(TemplateHit(match[1].lower(), match[2], row.replace("-", "").upper(), aligned))
    return hits


def parse_hhr(content: str, source: str) -> list[TemplateHit]:
    """Hits of an HHsearch report, best first. Raises InputError, naming the hit, for one that can't be read."""
    hits = []
    for block in re.split(r"(?m)^No \d+\s*$", content)[1:]:
        lines = block.strip().splitlines()
        name = _HHR_NAME.match(lines[0].removeprefix(">")) if lines else None
        summary = _HHR_SUMMARY.search(block)
        if name is None or summary is None:
            raise InputError(f"{source}: the hit \"{lines[0][:60] if lines else ''}\" can't be read as HHsearch's")
        sequence = "".join(m[2] for line in lines if (m := _HHR_TEMPLATE_LINE.match(line)))
        hits.append(
            TemplateHit(name[1].lower(), name[2], sequence.replace("-", ""), int(summary[1]), score=float(summary[2]))
        )
    return sorted(hits, key=lambda hit: -hit.score)
