"""`pfold evaluate`: the predictions of a results folder against known structures, as tables."""

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from pfold.errors import InputError, PfoldError
from pfold.evaluation.pairing import pair_structures
from pfold.evaluation.scores import score
from pfold.files import read_table, write_text
from pfold.targets.read import STRUCTURE_SUFFIXES

logger = logging.getLogger(__name__)

EVALUATION, CALIBRATION = "evaluation.csv", "calibration.csv"
_DIGITS = {"lddt": 4, "lddt_ca": 4, "tm_score": 4, "gdt_ts": 4, "gdt_ha": 4, "rmsd_ca": 2}
# Edges of the bins of pLDDT in the table of calibration.
_BINS = np.arange(0, 101, 10)


def evaluate(results: Path, truth: Path) -> pd.DataFrame:
    """Compare every sample whose target has a known structure of its name in `truth`; writes two tables to `results`.

    evaluation.csv: a row a sample, beside its own confidence; calibration.csv: pLDDT against the lDDT of residues, by
    bins of pLDDT. Raises PfoldError where no target has a known structure.
    """
    summary = read_table(results / "summary.parquet", "run pfold first")
    rows, residues = [], []
    for _, sample in summary[summary["structure"].notna()].iterrows():
        known = known_structure(truth, str(sample["name"]))
        if known is None:
            continue
        try:
            pair = pair_structures(results / str(sample["structure"]), known)
        except InputError as error:
            logger.warning("%s is not compared: %s", sample["name"], error)
            continue
        found = score(pair)
        values = asdict(found)
        residues.append(np.stack([pair.plddt, 100 * values.pop("residue_lddt")], axis=1))
        rounded = {key: round(value, _DIGITS[key]) if key in _DIGITS else value for key, value in values.items()}
        kept = {key: sample[key] for key in ("name", "rank", "seed", "sample", "plddt", "ptm", "iptm", "weights")}
        rows.append(kept | rounded | {"known": str(known)})
    if not rows:
        raise PfoldError(
            f"{truth}: no target of {results} has a known structure there, such as NAME.cif or NAME.pdb.gz"
        )
    table = pd.DataFrame(rows)
    write_text(results / EVALUATION, table.to_csv(index=False))
    write_text(results / CALIBRATION, calibration(np.concatenate(residues)).to_csv(index=False))
    return table


def known_structure(truth: Path, name: str) -> Path | None:
    """The structure file of a target in a folder, by its name."""
    files = (truth / f"{name}{suffix}{packed}" for suffix in STRUCTURE_SUFFIXES for packed in ("", ".gz"))
    return next((path for path in files if path.is_file()), None)


def calibration(residues: np.ndarray) -> pd.DataFrame:
    """Mean pLDDT and lDDT (0 to 100) of residues by bins of pLDDT.  residues [n, 2]: pLDDT, lDDT, nan without any."""
    residues = residues[np.isfinite(residues).all(1)]
    number = np.clip(np.digitize(residues[:, 0], _BINS) - 1, 0, len(_BINS) - 2)
    rows = []
    for i in np.unique(number):
        mine = residues[number == i]
        means = mine.mean(0).round(2)
        rows.append({"from": _BINS[i], "to": _BINS[i + 1], "n_residue": len(mine), "plddt": means[0], "lddt": means[1]})
    return pd.DataFrame(rows)
