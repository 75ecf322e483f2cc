"""What the report's page of a target shows: structures, confidences and the alignment's depth, packed into one text."""

import base64
import gzip
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from pfold.errors import DamagedError, InputError
from pfold.features.store import FeatureStore
from pfold.report.alignment_depth import alignment_depth
from pfold.results.confidences import STEPS, confidences_file, in_steps, read_confidences
from pfold.results.layout import CONFIDENCES, KEEP_ALL, MODEL, SUMMARY, best_prefix, sample_label
from pfold.results.receipt import read_receipt
from pfold.weights.remarks import weights_remark

logger = logging.getLogger(__name__)

# What the page says of each sample, from the receipt.
_SCORES = ("ranking_score", "plddt", "ptm", "iptm", "best_pair", "ipsae", "fraction_disordered", "has_clash", "gpde")
_FACTS = ("name", "pfold", "model", "settings", "n_msa")
# Of the keys that hold a square matrix over chains.
_PAIR_PREFIX = "chain_pair_"


def pack_target(folder: Path, store: FeatureStore, features_id: str) -> str:
    """The data of a finished target, in base64 of gzip of JSON. Arguments and errors: `target_data`."""
    return packed(json.dumps(target_data(folder, store, features_id), separators=(",", ":")))


def packed(text: str) -> str:
    """Base64 of gzip of a text, as the page's script unpacks it; without a time, so the same text gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def target_data(folder: Path, store: FeatureStore, features_id: str) -> dict[str, Any]:
    """The data of a finished target, as the page's script reads it (web/target.js).

    folder: of the result. features_id: what it was folded from; where the store has lost it, there is no "alignment".
    Raises InputError where the result can't be read.
    """
    receipt = read_receipt(folder)
    if receipt is None:
        raise InputError(f"{folder}: no finished result is there")
    best, *others = receipt["samples"]
    places = [(best, folder, best_prefix(folder))]
    if receipt["keep"] == KEEP_ALL:
        places += [(x, folder / sample_label(x["seed"], x["sample"]), "") for x in others]
    return {
        **{key: receipt.get(key) for key in _FACTS},
        "folder": folder.name,
        "pae_step": STEPS["pae"],
        "warning": weights_remark(receipt["weights"]),
        "alignment": _depth_data(store, features_id),
        **_samples_data(places),
    }


def _samples_data(places: Sequence[tuple[dict[str, Any], Path, str]]) -> dict[str, Any]:
    """Chains, tokens and samples; places: what the receipt says of a sample, its folder and its files' prefix."""
    samples: list[dict[str, Any]] = []
    common: dict[str, Any] = {}
    best = gemmi.Structure()
    for said, place, prefix in places:
        cif = (place / f"{prefix}{MODEL}").read_text()
        structure = gemmi.make_structure_from_block(gemmi.cif.read_string(cif).sole_block())
        summary = json.loads((place / f"{prefix}{SUMMARY}").read_text())
        confidences = read_confidences(confidences_file(place / f"{prefix}{CONFIDENCES}"))
        keys = list(zip(confidences["token_chain_ids"].tolist(), confidences["token_res_ids"].tolist(), strict=True))
        if not samples:
            best, common = structure, {"chains": summary["chain_ids"], "tokens": _tokens(structure, keys)}
        samples.append(
            {
                "seed": said["seed"],
                "sample": said["sample"],
                "scores": {key: said[key] for key in _SCORES if said.get(key) is not None},
                "pairs": {
                    key.removeprefix(_PAIR_PREFIX): x for key, x in summary.items() if key.startswith(_PAIR_PREFIX)
                },
                "plddt": token_plddt(structure, keys),
                "pae": _bytes(in_steps("pae", confidences["pae"])),
                "matrix": superposition(structure, best),
                "cif": cif,
            }
        )
    return common | {"samples": samples}


# A residue by the name of its chain and its number, as confidences have it.
Key = tuple[str, int]


def _residues(structure: gemmi.Structure) -> dict[Key, gemmi.Residue]:
    return {(chain.name, int(residue.seqid.num or 0)): residue for chain in structure[0] for residue in chain}


def _tokens(structure: gemmi.Structure, keys: Sequence[Key]) -> dict[str, list]:
    residues = _residues(structure)
    return {
        "chain": [chain for chain, _ in keys],
        "number": [number for _, number in keys],
        "name": [residues[key].name for key in keys],
        "polymer": [residues[key].label_seq is not None for key in keys],
    }


def token_plddt(structure: gemmi.Structure, keys: Sequence[Key]) -> list[float]:
    """The pLDDT of each token (0 to 100), whose residues are `keys`: the mean of its atoms.

    A residue has one token, or one for each of its atoms, in their order.
    """
    residues, n_token, seen = _residues(structure), Counter(keys), Counter[Key]()
    values = []
    for key in keys:
        atoms = [atom.b_iso for atom in residues[key]]
        values.append(atoms[seen[key]] if n_token[key] > 1 else float(np.mean(atoms)))
        seen[key] += 1
    return [round(value, 1) for value in values]


def superposition(moved: gemmi.Structure, fixed: gemmi.Structure) -> list[float]:
    """The motion (Å) that puts all atoms of one sample onto another's: a matrix of 4 x 4, by columns."""
    onto, from_ = ([site.atom.pos for site in structure[0].all()] for structure in (fixed, moved))
    motion = gemmi.superpose_positions(onto, from_).transform
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = motion.mat.tolist(), motion.vec.tolist()
    return [round(value, 6) for value in matrix.T.flatten().tolist()]


def _depth_data(store: FeatureStore, features_id: str) -> Mapping[str, Any] | None:
    if features_id not in store:
        return None
    try:
        depth = alignment_depth(store.read(features_id))
    except DamagedError as error:
        logger.warning("%s", error)
        return None
    return {"n_row": depth.n_row, "coverage": depth.coverage.tolist(), "identity": _bytes(depth.identity)}


def _bytes(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
