"""Validation while training: the averaged weights fold known structures, and what they fold is compared with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import biotite.structure as struc
import numpy as np

from pfold.evaluation.scores import tm_score
from pfold.inference.buckets import atom_bucket, token_bucket
from pfold.inference.model import Model
from pfold.training.data.examples import Example
from pfold.training.data.sets import Examples, StructureSet, read_set
from pfold.training.parallel import Processes

# Scores of a validated structure, in the order in which processes share them.
SCORES = ("lddt_ca", "tm_score", "plddt")


@dataclass(frozen=True, eq=False)
class Validation:
    """Structures to fold now and then, by the name of their set. n_step: diffusion steps of each fold."""

    sets: Sequence[tuple[str, Examples]]
    buckets: Sequence[int]
    n_step: int
    seed: int

    def run(self, model: Model, step: int, processes: Processes) -> list[dict[str, Any]]:
        """Fold each structure once -> a row of each: step, set, name, n_token and its scores.

        Scores: lddt_ca and tm_score (0 to 1), plddt (0 to 100). Every process folds its share, and all get all rows.
        """
        examples = [(name, example) for name, examples in self.sets for example in examples.found]
        scores = np.zeros((len(examples), len(SCORES)), np.float32)
        for number in range(processes.rank, len(examples), processes.size):
            scores[number] = self._fold(model, examples[number][1])
        processes.sum(scores)
        return [
            {"step": step, "set": of, "name": example.name, "n_token": example.n_token}
            | {key: float(value) for key, value in zip(SCORES, found, strict=True)}
            for (of, example), found in zip(examples, scores, strict=True)
        ]

    def _fold(self, model: Model, example: Example) -> tuple[float, float, float]:
        # Structures beyond the last bucket are padded to multiples of it.
        largest = self.buckets[-1]
        n_token = token_bucket(example.n_token, [*self.buckets, -(-example.n_token // largest) * largest])
        out = model.predict(
            example.features,
            noise=self.seed,
            n_step=self.n_step,
            n_sample=1,
            n_token=n_token,
            n_atom=atom_bucket(len(example.truth.mask), n_token),
            logits=False,
        )
        known, predicted = trace(example, out["coordinate"][0])
        # lDDT sees distances alone; TM-score tells a fold from its mirror image.
        return lddt_ca(known, predicted), tm_score(known, predicted, len(known)), out["summary"][0]["plddt"]


def read_validation(
    sets: Sequence[StructureSet], buckets: Sequence[int], n_step: int, seed: int, *, use_msa: bool
) -> Validation:
    """The structures of these sets. Raises ConfigError where one of them has none."""
    found = [(one.split or one.structures.name, read_set(one, use_msa=use_msa)) for one in sets]
    return Validation(found, buckets, n_step, seed)


def set_means(rows: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> dict[str, dict[str, float]]:
    """The mean of each score over the structures of each set, by the set's name.  rows: of `Validation.run`."""
    return {
        name: {key: float(np.mean([row[key] for row in rows if row["set"] == name])) for key in scores}
        for name in dict.fromkeys(row["set"] for row in rows)
    }


def trace(example: Example, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The resolved Cα (C1' of nucleotides) of the truth and of a prediction [A, 3], each [n, 3] float32 (Å)."""
    chosen = np.asarray(example.features["plddt_m_rep_atom_mask"], bool) & (example.truth.mask > 0)
    return example.truth.coordinate[chosen].astype(np.float32), prediction[chosen].astype(np.float32)


def lddt_ca(known: np.ndarray, predicted: np.ndarray) -> float:
    """lDDT (biotite) of the positions [n, 3] (Å) of one atom a residue, 0 to 1."""
    atoms = struc.AtomArray(len(known))
    atoms.coord = known
    atoms.res_id = np.arange(len(known))
    return float(struc.lddt(atoms, predicted))
