"""Small runs: configurations, and a stand-in model that takes no time."""

from pathlib import Path
from typing import Any

import numpy as np

from pfold.config import RunConfig, parse_config

TINY = {
    "model": "protenix_tiny_default_v0.5.0",
    "weights": "untrained",
    "n_cycle": 1,
    "n_step": 1,
    "n_sample": 2,
    "search": {"engine": "none"},
}


def write_fasta(path: Path, **sequences: str) -> Path:
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    return path


def make_config(tmp_path: Path, fasta: Path, **changes: Any) -> RunConfig:
    return parse_config(TINY | {"targets": [str(fasta)], "results": str(tmp_path / "results")} | changes)


class StandInModel:
    """Returns coordinates made of the noise seed; raises what `failures` gives for a number of residues."""

    def __init__(self, failures: dict[int, Exception] | None = None) -> None:
        self.failures = failures or {}
        self.folded: list[int] = []

    def predict_batch(self, features: list[dict[str, np.ndarray]], noise: list[int], **settings: Any) -> list[Any]:
        for f in features:
            if len(f["token_index"]) in self.failures:
                raise self.failures[len(f["token_index"])]
        return [self.predict(f, noise=one, **settings) for f, one in zip(features, noise, strict=True)]

    def predict(self, features: dict[str, np.ndarray], n_sample: int, noise: int, **_: Any) -> dict[str, Any]:
        n_token, n_atom = len(features["token_index"]), len(features["ref_pos"])
        if n_token in self.failures:
            raise self.failures[n_token]
        self.folded.append(n_token)
        generator = np.random.default_rng(noise)
        summaries = [_summary(0.1 * (i + 1), features) for i in range(n_sample)]
        full = {
            "atom_plddt": np.full(n_atom, 0.5),
            "token_pair_pae": np.full((n_token, n_token), 3.0),
            "contact_probs": np.zeros((n_token, n_token)),
            "token_asym_id": features["asym_id"],
            "token_res_id": features["residue_index"],
            "atom_to_token_idx": features["atom_to_token_idx"],
        }
        return {
            "coordinate": generator.standard_normal((n_sample, n_atom, 3)).astype(np.float32),
            "summary": summaries,
            "full_data": [full] * n_sample,
            "timings": {},
        }


def _summary(score: float, features: dict[str, np.ndarray]) -> dict[str, Any]:
    n_chain = int(features["asym_id"].max()) + 1
    return {
        "plddt": 50.0,
        "ptm": score,
        "iptm": score,
        "gpde": 1.0,
        "ranking_score": score,
        "has_clash": False,
        "disorder": 0.0,
        "chain_ptm": np.full(n_chain, score),
        "chain_iptm": np.full(n_chain, score),
        "chain_pair_iptm": np.full((n_chain, n_chain), score),
    }
