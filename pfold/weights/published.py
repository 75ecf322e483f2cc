"""The published models: block counts, default sampling settings and where their checkpoints are."""

import difflib
from dataclasses import dataclass
from typing import Any

from pfold.errors import ConfigError

# What the configuration may say instead of a path to weights.
AUTO = "auto"
UNTRAINED = "untrained"
CHECKPOINT_URL = "https://protenix.tos-cn-beijing.volces.com/checkpoint"


@dataclass(frozen=True)
class ModelSettings:
    """What tells one published model from another (reference: configs_model_type.py).

    Channel counts that are not here are those of the AlphaFold 3 supplement. esm: the language model whose embeddings
    of protein chains it takes (`pfold.esm.settings`), "" for none. use_msa: whether it takes alignments by default.
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
    # Blocks of the input embedder's atom transformer; n_atom_block are those of the diffusion module's two.
    n_input_atom_block: int = 3
    c_s: int = 384
    c_z: int = 128
    c_m: int = 64
    c_token: int = 768
    c_atom: int = 128
    # Channels that atoms give to a token's input embedding, beside 65 of its type and profile.
    c_token_input: int = 384
    # Heads of attention with pair bias, of singles and of the diffusion transformer.
    n_head: int = 16
    # Triangle updates of the template embedder have as many channels as its pairs, not those of the pairformer.
    scaled_triangles: bool = False
    constraints: bool = False
    esm: str = ""
    use_msa: bool = True
    use_rna_msa: bool = False
    gamma_min: float = 1.0
    noise_scale_lambda: float = 1.003
    max_msa_rows: int = 16384

    @property
    def c_s_inputs(self) -> int:
        """Channels of the input embedding of tokens."""
        return self.c_token_input + 65

    @property
    def file(self) -> str:
        """Name of the published checkpoint."""
        return f"{self.name}.pt"

    @property
    def url(self) -> str:
        """Where the published checkpoint is (reference: web_service/dependency_url.py)."""
        return f"{CHECKPOINT_URL}/{self.file}"


# What the small and the base models have in common.
_SMALL: dict[str, Any] = {
    "n_msa_block": 1,
    "n_diffusion_block": 8,
    "n_atom_block": 1,
    "n_cycle": 4,
    "n_step": 5,
    "n_sample": 5,
}
_SMALL_SAMPLER: dict[str, Any] = {"gamma0": 0.0, "step_scale_eta": 1.0}
_BASE: dict[str, Any] = {
    "n_msa_block": 4,
    "n_diffusion_block": 24,
    "n_atom_block": 3,
    "n_cycle": 10,
    "n_step": 200,
    "n_sample": 5,
}
_BASE_SAMPLER: dict[str, Any] = {"gamma0": 0.8, "step_scale_eta": 1.5}


def _small(name: str, n_pairformer_block: int, **special: Any) -> ModelSettings:
    return ModelSettings(name=name, n_pairformer_block=n_pairformer_block, **_SMALL, **_SMALL_SAMPLER, **special)


def _base(name: str, **special: Any) -> ModelSettings:
    return ModelSettings(name=name, n_pairformer_block=48, **_BASE, **_BASE_SAMPLER, **special)


MODELS: dict[str, ModelSettings] = {
    model.name: model
    for model in (
        _small("protenix_tiny_default_v0.5.0", n_pairformer_block=8),
        _small("protenix_mini_default_v0.5.0", n_pairformer_block=16),
        _small("protenix_mini_esm_v0.5.0", n_pairformer_block=16, esm="esm2-3b", use_msa=False),
        _small("protenix_mini_ism_v0.5.0", n_pairformer_block=16, esm="esm2-3b-ism", use_msa=False),
        _base("protenix_base_default_v0.5.0"),
        _base("protenix_base_constraint_v0.5.0", constraints=True, esm="esm2-3b"),
        _base("protenix_base_default_v1.0.0", n_template_block=2, use_rna_msa=True),
        _base("protenix_base_20250630_v1.0.0", n_template_block=2, use_rna_msa=True),
        _base("protenix-v2", n_template_block=2, use_rna_msa=True, c_z=256, c_m=128, scaled_triangles=True),
    )
}


# A small architecture of the same code, to be trained on two cores on short chains; it has no published weights.
DEMO = ModelSettings(
    name="pfold_demo",
    n_msa_block=1,
    n_pairformer_block=3,
    n_diffusion_block=5,
    n_atom_block=1,
    n_input_atom_block=1,
    n_confidence_block=1,
    n_cycle=2,
    n_step=20,
    n_sample=2,
    gamma0=0.0,
    step_scale_eta=1.0,
    c_s=128,
    c_z=64,
    c_m=32,
    c_token=192,
    c_atom=64,
    c_token_input=128,
    n_head=8,
    use_msa=False,
)


def model_settings(name: str) -> ModelSettings:
    """Settings of a published model by its name. Raises ConfigError, naming the nearest model, for an unknown one."""
    if name == DEMO.name:
        return DEMO
    if name in MODELS:
        return MODELS[name]
    longer = [known for known in MODELS if name and known.startswith(name)]
    nearest = (longer or difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0))[0]
    raise ConfigError(f'model "{name}" is unknown; did you mean "{nearest}"? Available: {", ".join(MODELS)}')
