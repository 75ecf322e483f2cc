"""The result folder of one target, in the AlphaFold 3 output layout."""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pfold import __version__
from pfold.chem.assembly import build_assembly
from pfold.chem.types import Assembly
from pfold.files import atomic_folder, file_digest, read_json
from pfold.results.confidences import JSON, sample_confidences, write_confidences
from pfold.results.layout import CONFIDENCES, KEEP_ALL, KEEP_BEST, MODEL, RANKING, RECEIPT, SUMMARY, best_prefix
from pfold.results.sample import ResultInfo, Sample
from pfold.results.scored import ScoredSample, chain_pair_rows, rank_samples, score_sample
from pfold.results.structure import format_mmcif, renamed_mmcif
from pfold.targets.types import Target

logger = logging.getLogger(__name__)

# Of each sample, in the receipt and the summary table.
SCORES = ("ranking_score", "plddt", "ptm", "iptm", "fraction_disordered", "has_clash", "gpde")


def write_result(
    folder: Path, target: Target, samples: Sequence[Sample], info: ResultInfo, keep: str, confidences: str = JSON
) -> list[ScoredSample]:
    """Write all files of a target at once; a folder of an earlier result is replaced. Returns the samples, best first.

    The best sample's files begin with the folder's name. keep: "all" also writes a folder a sample and a table of their
    scores; "best" writes neither, compresses what is large, and so leaves four files a target. confidences: "json" or
    "compact", see `pfold.results.confidences`.
    """
    assembly = build_assembly(target)
    scored = [score_sample(sample, assembly) for sample in samples]
    ranked = rank_samples(scored)
    writer = _SampleWriter(target, assembly, info, confidences)
    with atomic_folder(folder) as out:
        writer.write(out, best_prefix(folder), ranked[0], compress=keep == KEEP_BEST)
        if keep == KEEP_ALL:
            for sample in scored:
                (out / sample.label).mkdir()
                writer.write(out / sample.label, "", sample)
            rows = [{"seed": s.seed, "sample": s.number, "ranking_score": s.summary["ranking_score"]} for s in scored]
            pd.DataFrame(rows).to_csv(out / RANKING, index=False)
        receipt = _receipt(target, ranked, info, keep) | {"input": target.file_from(folder), "files": _files(out)}
        (out / RECEIPT).write_text(json.dumps(receipt, indent=1) + "\n")
    return ranked


@dataclass(frozen=True, eq=False)
class _SampleWriter:
    """Writes samples of one target; confidences: the form of their file."""

    target: Target
    assembly: Assembly
    info: ResultInfo
    confidences: str

    def write(self, out: Path, prefix: str, sample: ScoredSample, *, compress: bool = False) -> None:
        """Write a sample's files to a folder, their names behind a prefix."""
        target, info, plddt = self.target, self.info, sample.full_data["atom_plddt"]
        note = {"remark": info.remark} if info.remark else {}
        cif = format_mmcif(target, self.assembly, sample.coordinate, plddt, info)
        (out / f"{prefix}{MODEL}").write_text(cif)
        pairs = sample.interfaces.matrices() | {"best_chain_pair": sample.interfaces.best()}
        summary = summary_confidences(sample, target) | pairs | note
        (out / f"{prefix}{SUMMARY}").write_text(json.dumps(summary, indent=1) + "\n")
        values = sample_confidences(sample, target) | note
        write_confidences(out / f"{prefix}{CONFIDENCES}", values, self.confidences, compress=compress)


def copy_result(source: Path, folder: Path, target: Target) -> None:
    """Copy a finished result to another folder, for a target of another name and the same identity."""
    receipt = read_json(source / RECEIPT)
    with atomic_folder(folder) as out:
        for path in sorted(source.rglob("*")):
            place = out / path.relative_to(source)
            if path.parent == source and path.name.startswith(best_prefix(source)):
                place = out / f"{best_prefix(folder)}{path.name.removeprefix(best_prefix(source))}"
            if path.is_dir():
                place.mkdir()
            elif path.suffix == ".cif":
                place.write_text(renamed_mmcif(path.read_text(), target.name))
            elif path.name != RECEIPT:
                shutil.copyfile(path, place)
        receipt |= {"name": target.name, "input": target.file_from(folder), "files": _files(out)}
        (out / RECEIPT).write_text(json.dumps(receipt, indent=1) + "\n")
    logger.info("%s: copied from the finished result of %s", target.name, source.name)


def _files(out: Path) -> dict[str, dict[str, Any]]:
    """Size and digest of the best sample's files, by which a result that was damaged later is known."""
    files = sorted(path for path in out.iterdir() if path.is_file())
    return {path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in files}


def _rounded(x: Any, digits: int = 2) -> Any:
    return np.round(np.asarray(x, np.float64), digits).tolist()


def summary_confidences(sample: ScoredSample, target: Target) -> dict[str, Any]:
    """Scalars and values per chain and chain pair, with AlphaFold 3's keys; ipTM is null where there is one chain."""
    s, ids = sample.summary, target.chain_ids
    asym_id = np.unique(sample.full_data["token_asym_id"], return_inverse=True)[1]
    pae = sample.full_data["token_pair_pae"]
    chains = [np.flatnonzero(asym_id == c) for c in range(len(ids))]
    pair_iptm = np.array(s["chain_pair_iptm"], np.float64)
    np.fill_diagonal(pair_iptm, s["chain_ptm"])
    complex_ = len(ids) > 1
    return {
        "chain_ids": ids,
        "chain_iptm": _rounded(s["chain_iptm"]) if complex_ else [None],
        "chain_pair_iptm": _rounded(pair_iptm),
        "chain_pair_pae_min": [[round(float(pae[np.ix_(a, b)].min()), 2) for b in chains] for a in chains],
        "chain_ptm": _rounded(s["chain_ptm"]),
        "fraction_disordered": round(s["fraction_disordered"], 2),
        "has_clash": float(s["has_clash"]),
        "iptm": round(float(s["iptm"]), 2) if complex_ else None,
        "ptm": round(float(s["ptm"]), 2),
        "ranking_score": round(float(s["ranking_score"]), 4),
        # Not AlphaFold 3's: the reference's score, mean pLDDT (0..100) and global PDE (Å), by which it also ranks.
        "reference_ranking_score": round(s["reference_ranking_score"], 4),
        "plddt": round(float(s["plddt"]), 2),
        "gpde": round(float(s["gpde"]), 2),
    }


def _receipt(target: Target, ranked: Sequence[ScoredSample], info: ResultInfo, keep: str) -> dict[str, Any]:
    best = ranked[0]
    return {
        "result_id": info.result_id,
        "name": target.name,
        "target_id": target.id,
        "pfold": __version__,
        "model": info.model,
        "weights": info.weights,
        "settings": dict(info.settings),
        "bucket": info.bucket,
        "n_msa": info.n_msa,
        "seconds": round(info.seconds, 2),
        "stopped": info.stopped,
        "keep": keep,
        "samples": [{"rank": rank, **_scores(sample)} for rank, sample in enumerate(ranked, start=1)],
        # Of the best sample.
        "chain_pairs": chain_pair_rows(summary_confidences(best, target), best.interfaces),
    }


def _scores(sample: ScoredSample) -> dict[str, Any]:
    """What the summary table says of a sample."""
    pair = sample.interfaces.best()
    interface = {"best_pair": "-".join(pair["chain_ids"]), "ipsae": pair["ipsae"]} if pair else {}
    scores = {key: _plain(sample.summary[key]) for key in SCORES}
    cycles = {"n_cycle": sample.summary["num_recycles"]} if "num_recycles" in sample.summary else {}
    return {"seed": sample.seed, "sample": sample.number, **cycles, **scores, **interface}


def _plain(value: Any) -> bool | float:
    return bool(value) if isinstance(value, bool | np.bool_) else float(value)
