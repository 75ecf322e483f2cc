"""The published models: block counts, default sampling settings and where their checkpoints are."""

import difflib
from dataclasses import dataclass

from pfold.errors import ConfigError

CHECKPOINT_URL = "https://protenix.tos-cn-beijing.volces.com/checkpoint"


@dataclass(frozen=True)
class ModelSettings:
    """What tells one published model from another (reference: configs_model_type.py).

    Channel counts are those of the AlphaFold 3 supplement.
    """

    name: str
    n_msa_block: int
    n_pairformer_block: int
    n_diffusion_block: int
    n_atom_block: int
    n_cycle: int
    n_step: int
    n_sample: int
    gamma0: float
    step_scale_eta: float
    n_confidence_block: int = 4
    n_template_block: int = 0
    gamma_min: float = 1.0
    noise_scale_lambda: float = 1.003
    max_msa_rows: int = 16384

    @property
    def url(self) -> str:
        """Where the published checkpoint is (reference: web_service/dependency_url.py)."""
        return f"{CHECKPOINT_URL}/{self.name}.pt"


def _small(name: str, n_pairformer_block: int) -> ModelSettings:
    return ModelSettings(
        name=name,
        n_msa_block=1,
        n_pairformer_block=n_pairformer_block,
        n_diffusion_block=8,
        n_atom_block=1,
        n_cycle=4,
        n_step=5,
        n_sample=5,
        gamma0=0.0,
        step_scale_eta=1.0,
    )


def _base(name: str, n_template_block: int) -> ModelSettings:
    return ModelSettings(
        name=name,
        n_template_block=n_template_block,
        n_msa_block=4,
        n_pairformer_block=48,
        n_diffusion_block=24,
        n_atom_block=3,
        n_cycle=10,
        n_step=200,
        n_sample=5,
        gamma0=0.8,
        step_scale_eta=1.5,
    )


MODELS: dict[str, ModelSettings] = {
    model.name: model
    for model in (
        _small("protenix_tiny_default_v0.5.0", n_pairformer_block=8),
        _small("protenix_mini_default_v0.5.0", n_pairformer_block=16),
        _base("protenix_base_default_v0.5.0", n_template_block=0),
        _base("protenix_base_default_v1.0.0", n_template_block=2),
        _base("protenix_base_20250630_v1.0.0", n_template_block=2),
    )
}


def model_settings(name: str) -> ModelSettings:
    """Settings of a published model by its name. Raises ConfigError, naming the nearest model, for an unknown one."""
    if name in MODELS:
        return MODELS[name]
    nearest = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0)[0]
    raise ConfigError(f'model "{name}" is unknown; did you mean "{nearest}"? Available: {", ".join(MODELS)}')
