"""Predicted arithmetic of a prediction, from the operation counts of the architecture."""

from pfold.config import RunConfig
from pfold.weights.published import ModelSettings

# Multiply-adds of matrix products count 2. Per pair position of a pair block, in units of c_z squared: 12 projections
# of the triangle products, 10 of the attentions, 3 of the transition, four times as wide; then terms in N_token c_z.
_PAIR_BLOCK = 2 * (12 + 10 + 3 * 4)
_PAIR_BLOCK_PER_TOKEN = 2 * 2 + 2 * 4
# Per token of a diffusion transformer block: attention and transition at c_token = 768, conditioning at c_s = 384.
_DIFFUSION_BLOCK = 2 * (5 + 6) * 768 * 768 + 2 * 6 * 384 * 768
_DIFFUSION_BLOCK_PER_TOKEN = 2 * 2 * 768
# Per token of an atom transformer block: about 8 atoms, c_atom = 128, 128 keys each.
_ATOM_BLOCK = 8 * (2 * 20 * 128 * 128 + 2 * 2 * 128 * 128)


def run_tflop(config: RunConfig, bucket: int, n_seed: int) -> float:
    """Predicted arithmetic (TFLOP) to fold a target of a bucket with a run's model and settings."""
    return predicted_tflop(config.model, bucket, n_seed, config.n_cycle, config.n_step, config.n_sample)


def predicted_tflop(model: ModelSettings, n_token: int, n_seed: int, n_cycle: int, n_step: int, n_sample: int) -> float:
    """Predicted arithmetic (TFLOP) to fold a target padded to n_token tokens."""
    c_z = model.c_z
    pair_block = n_token**2 * (_PAIR_BLOCK * c_z * c_z + n_token * _PAIR_BLOCK_PER_TOKEN * c_z)
    trunk = n_cycle * (model.n_pairformer_block + model.n_msa_block) * pair_block
    token_block = n_token * (_DIFFUSION_BLOCK + n_token * _DIFFUSION_BLOCK_PER_TOKEN)
    step = model.n_diffusion_block * token_block + 2 * model.n_atom_block * n_token * _ATOM_BLOCK
    confidence = n_sample * model.n_confidence_block * pair_block
    return n_seed * (trunk + n_sample * n_step * step + confidence) / 1e12
