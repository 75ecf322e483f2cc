"""`pfold evaluate`: the predictions of a results folder against known structures, as tables."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pfold.errors import InputError, PfoldError
from pfold.evaluation.aligned_error import aligned_errors
from pfold.evaluation.interfaces import interfaces
from pfold.evaluation.ligands import LigandPose, ligand_poses
from pfold.evaluation.page import write_page
from pfold.evaluation.pairing import Pair, pair_structures
from pfold.evaluation.scores import score
from pfold.files import read_table, write_text
from pfold.results.confidences import confidences_file, read_confidences
from pfold.results.layout import CONFIDENCES, MODEL
from pfold.targets.read import STRUCTURE_SUFFIXES
from pfold.weights.remarks import weights_remark

logger = logging.getLogger(__name__)

EVALUATION, INTERFACES, LIGANDS = "evaluation.csv", "interfaces.csv", "ligands.csv"
CALIBRATION, PAE_CALIBRATION = "calibration.csv", "pae_calibration.csv"
_CONFIDENCE = ("plddt", "ptm", "iptm", "weights")
# Columns that are printed.
_SHOWN = ["name", "rank", "plddt", "ptm", "lddt", "lddt_ca", "tm_score", "rmsd_ca"]
_DIGITS = {"lddt": 4, "lddt_ca": 4, "tm_score": 4, "gdt_ts": 4, "gdt_ha": 4, "rmsd_ca": 2}
_DIGITS |= {"dockq": 4, "fnat": 4, "irmsd": 2, "lrmsd": 2, "rmsd": 2, "lddt_pli": 4}
# Edges of the bins of pLDDT and of PAE (Å) in the tables of calibration.
_PLDDT_BINS, _PAE_BINS = np.arange(0, 101, 10), np.arange(0, 33, 2)


def evaluate(results: Path, truth: Path) -> pd.DataFrame:
    """Compare every sample whose target has a known structure of its name in `truth`; writes its tables to `results`.

    evaluation.csv: a row a sample, beside its own confidence; interfaces.csv, where chains touch: a row an interface of
    a sample, DockQ beside ipTM; ligands.csv, where both have any: a row a ligand of a sample; calibration.csv: pLDDT
    against the lDDT of residues, by bins of pLDDT; pae_calibration.csv: PAE against the error of residues, by bins of
    PAE; evaluation.html shows them.
    Raises PfoldError where no target has a known structure.
    """
    summary = read_table(results / "summary.parquet", "run pfold first")
    iptm = _chain_pair_iptm(results)
    rows, residues, pairs, touching, bound = [], [], [], [], []
    for _, sample in summary[summary["structure"].notna()].iterrows():
        compared = _paired(results, sample, truth)
        if compared is None:
            continue
        pair, known = compared
        values = asdict(score(pair))
        structure = results / str(sample["structure"])
        stem = structure.with_name(structure.name.removesuffix(MODEL) + CONFIDENCES)
        pairs.append(aligned_errors(pair, read_confidences(confidences_file(stem))))
        residues.append(np.stack([pair.plddt, 100 * values.pop("residue_lddt")], axis=1))
        rows.append(_columns(sample, *_CONFIDENCE) | _rounded(values) | {"known": str(known)})
        for one in interfaces(pair):
            # The table of pairs is of best samples, and lacks results of an older pfold.
            key = sample["name"], frozenset((one.chain_1, one.chain_2))
            confidence = {"iptm": iptm.get(key) if sample["rank"] == 1 else None}
            touching.append(_columns(sample, "weights") | _rounded(asdict(one)) | confidence)
        bound += [_columns(sample, "weights") | _rounded(asdict(one)) for one in _ligands(structure, known)]
    if not rows:
        raise PfoldError(
            f"{truth}: no target of {results} has a known structure there, such as NAME.cif or NAME.pdb.gz"
        )
    table = pd.DataFrame(rows)
    _write(results, table, pd.DataFrame(touching), pd.DataFrame(bound), np.concatenate(residues), np.concatenate(pairs))
    return table


def _write(
    results: Path,
    table: pd.DataFrame,
    touching: pd.DataFrame,
    bound: pd.DataFrame,
    residues: np.ndarray,
    pairs: np.ndarray,
) -> None:
    """Write the tables and the page; residues [n, 2]: pLDDT and lDDT, pairs [n, 2]: PAE and error (Å)."""
    write_text(results / EVALUATION, table.to_csv(index=False))
    for file, found in ((INTERFACES, touching), (LIGANDS, bound)):
        if len(found):
            write_text(results / file, found.to_csv(index=False))
        else:
            # What an evaluation against other structures may have left.
            (results / file).unlink(missing_ok=True)
    by_plddt = calibration(residues, _PLDDT_BINS, ("n_residue", "plddt", "lddt"))
    by_pae = calibration(pairs, _PAE_BINS, ("n_pair", "pae", "error"))
    write_text(results / CALIBRATION, by_plddt.to_csv(index=False))
    write_text(results / PAE_CALIBRATION, by_pae.to_csv(index=False))
    write_page(results, table, by_plddt, by_pae, touching)


def evaluation_text(table: pd.DataFrame) -> str:
    """The table of `evaluate` as people read it: its main columns, and what is to be said of the weights."""
    remarks = [weights_remark(kind) for kind in dict.fromkeys(table["weights"])]
    lines = [table[_SHOWN].round(2).to_string(index=False), *filter(None, remarks)]
    return "\n".join(lines)


def _paired(results: Path, sample: pd.Series, truth: Path) -> tuple[Pair, Path] | None:
    """A sample beside its target's known structure; None where there is none that it can be compared with."""
    known = known_structure(truth, str(sample["name"]))
    if known is None:
        return None
    try:
        return pair_structures(results / str(sample["structure"]), known), known
    except InputError as error:
        logger.warning("%s is not compared: %s", sample["name"], error)
        return None


def _ligands(predicted: Path, known: Path) -> list[LigandPose]:
    """The ligands that both have; none, with a warning, where they can't be matched."""
    try:
        return list(ligand_poses(predicted, known))
    except InputError as error:
        logger.warning("ligands are not compared: %s", error)
        return []


def _columns(sample: pd.Series, *more: str) -> dict[str, Any]:
    """What says which sample it is, and these columns."""
    return {key: sample[key] for key in ("name", "rank", "seed", "sample", *more)}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, _DIGITS[key]) if key in _DIGITS else value for key, value in values.items()}


def _chain_pair_iptm(results: Path) -> dict[tuple[str, frozenset[str]], float]:
    """ipTM of each pair of chains of each target's best sample, by the target's name and the chains'."""
    pairs = read_table(results / "pairs.parquet", "run pfold first")
    keys = zip(pairs["name"], pairs["chain_1"], pairs["chain_2"], strict=True)
    return {(name, frozenset((a, b))): iptm for (name, a, b), iptm in zip(keys, pairs["iptm"], strict=True)}


def known_structure(truth: Path, name: str) -> Path | None:
    """The structure file of a target in a folder, by its name."""
    files = (truth / f"{name}{suffix}{packed}" for suffix in STRUCTURE_SUFFIXES for packed in ("", ".gz"))
    return next((path for path in files if path.is_file()), None)


def calibration(found: np.ndarray, bins: np.ndarray, names: tuple[str, str, str]) -> pd.DataFrame:
    """Means of a confidence and of what it tells, by bins of the confidence.

    found [n, 2]: both of each residue or pair, nan without any. names: the columns of the number and of both means.
    """
    found = found[np.isfinite(found).all(1)]
    number = np.clip(np.digitize(found[:, 0], bins) - 1, 0, len(bins) - 2)
    rows = []
    for i in np.unique(number):
        mine = found[number == i]
        values = (len(mine), *mine.mean(0).round(2))
        rows.append({"from": bins[i], "to": bins[i + 1]} | dict(zip(names, values, strict=True)))
    return pd.DataFrame(rows, columns=["from", "to", *names])
