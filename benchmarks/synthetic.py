"""Features of a random protein with a random alignment, for benchmarks.

Usage: python benchmarks/synthetic.py N_TOKEN N_MSA FEATURES.npz
"""

import sys

import numpy as np

from pfold.features.featurize import featurize
from pfold.features.schema import Features
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import Target

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def random_features(n_token: int, n_msa: int, seed: int = 0) -> Features:
    """Features of a protein of n_token residues with n_msa MSA rows, the query first."""
    generator = np.random.default_rng(seed)
    sequence = "".join(generator.choice(list(RESIDUES), n_token))
    features = featurize(Target("random", merge_chains([sequence])))
    msa = generator.integers(0, len(RESIDUES), (n_msa, n_token)).astype(features["msa"].dtype)
    msa[0] = features["msa"][0]
    none = np.zeros((n_msa, n_token), np.float32)
    full = np.ones((n_msa, n_token), features["msa_mask"].dtype)
    return Features(features | {"msa": msa, "msa_mask": full, "has_deletion": none, "deletion_value": none})


if __name__ == "__main__":
    np.savez(sys.argv[3], **random_features(int(sys.argv[1]), int(sys.argv[2])))
