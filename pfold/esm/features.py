"""Language-model embeddings as features (reference: data/esm/esm_featurizer.py)."""

from collections.abc import Sequence

import numpy as np

from pfold.features.tokens import tokenize
from pfold.targets.types import PROTEIN, Target
from pfold.weights.layout import C_ESM


def esm_features(target: Target, embeddings: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """esm_token_embedding [N, 2560] float32: each protein token has its residue's embedding, all others zeros.

    embeddings: [length, 2560] of each protein entity, in order.
    """
    tokens = tokenize(target)
    residue = tokens.residue_of_token
    chains = tokens.assembly.chains
    own = iter(embeddings)
    by_entity = [next(own) if entity.kind == PROTEIN else None for entity in target.entities]
    features = np.zeros((tokens.n_token, C_ESM), np.float32)
    chain = tokens.chain_of_residue[residue]
    for number, c in enumerate(chains):
        embedding = by_entity[c.entity]
        if embedding is not None:
            at = chain == number
            features[at] = embedding[tokens.position[residue[at]] - 1]
    return {"esm_token_embedding": features}
