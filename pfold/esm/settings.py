"""The ESM-2 language models: sizes, where their checkpoints are, and their names and shapes (fair-esm)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pfold.errors import ConfigError, WeightsError
from pfold.weights.checkpoint import Checkpoint
from pfold.weights.load import cache_folder, cached_file, name_problems, read_checkpoint
from pfold.weights.published import AUTO, CHECKPOINT_URL, UNTRAINED
from pfold.weights.untrained import untrained_tensor

ESM_URL = "https://dl.fbaipublicfiles.com/fair-esm/models"
N_LETTER = 33
# Longest chain the reference embeds whole (esm_featurizer.py, truncation_seq_length).
MAX_RESIDUES = 4094
# Parts of the published checkpoints that embeddings do not need, and prefixes of names.
_UNUSED = re.compile(r"lm_head\.|contact_head\.|.*\.rot_emb\.inv_freq$")
_PREFIX = re.compile(r"^(encoder\.sentence_encoder\.|encoder\.)")


@dataclass(frozen=True)
class EsmSettings:
    """Size of a published ESM-2 model, the name of its file, and where that is; Protenix keeps those that it takes."""

    name: str
    file: str
    n_layer: int
    c: int
    n_head: int
    url_folder: str = ESM_URL

    @property
    def url(self) -> str:
        """Where the published checkpoint is."""
        return f"{self.url_folder}/{self.file}"


ESM_MODELS: dict[str, EsmSettings] = {
    model.name: model
    for model in (
        EsmSettings("esm2-8m", "esm2_t6_8M_UR50D.pt", 6, 320, 20),
        EsmSettings("esm2-35m", "esm2_t12_35M_UR50D.pt", 12, 480, 20),
        EsmSettings("esm2-150m", "esm2_t30_150M_UR50D.pt", 30, 640, 20),
        EsmSettings("esm2-650m", "esm2_t33_650M_UR50D.pt", 33, 1280, 20),
        EsmSettings("esm2-3b", "esm2_t36_3B_UR50D.pt", 36, 2560, 40, CHECKPOINT_URL),
        EsmSettings("esm2-15b", "esm2_t48_15B_UR50D.pt", 48, 5120, 40),
        # ESM2-3B tuned on structures (ISM), which protenix_mini_ism takes.
        EsmSettings("esm2-3b-ism", "esm2_t36_3B_UR50D_ism.pt", 36, 2560, 40, CHECKPOINT_URL),
    )
}


def esm_settings(name: str) -> EsmSettings:
    """Settings of an ESM-2 model by its name. Raises ConfigError for an unknown one."""
    if name not in ESM_MODELS:
        raise ConfigError(f'the language model "{name}" is unknown; available: {", ".join(ESM_MODELS)}')
    return ESM_MODELS[name]


def layer_layout(settings: EsmSettings) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of one layer."""
    c = settings.c
    layout: dict[str, tuple[int, ...]] = {}
    for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
        layout |= {f"self_attn.{projection}.weight": (c, c), f"self_attn.{projection}.bias": (c,)}
    for norm in ("self_attn_layer_norm", "final_layer_norm"):
        layout |= {f"{norm}.weight": (c,), f"{norm}.bias": (c,)}
    layout |= {"fc1.weight": (4 * c, c), "fc1.bias": (4 * c,), "fc2.weight": (c, 4 * c), "fc2.bias": (c,)}
    return layout


def esm_layout(settings: EsmSettings) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors that embeddings need."""
    c = settings.c
    layout: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (N_LETTER, c)}
    for i in range(settings.n_layer):
        layout |= {f"layers.{i}.{name}": shape for name, shape in layer_layout(settings).items()}
    return layout | {"emb_layer_norm_after.weight": (c,), "emb_layer_norm_after.bias": (c,)}


class UntrainedEsm(Mapping[str, np.ndarray]):
    """Untrained stand-in weights of an ESM-2 model, each tensor made when it is asked for."""

    def __init__(self, settings: EsmSettings) -> None:
        self._layout = esm_layout(settings)

    def __getitem__(self, name: str) -> np.ndarray:
        return untrained_tensor(name, self._layout[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)


def esm_file(settings: EsmSettings, weights: str) -> Path | None:
    """The checkpoint that `weights` names: "auto" (in the cache), "untrained" (None), or a path.

    Raises WeightsError, saying how to get it, for a file that does not exist.
    """
    if weights == UNTRAINED:
        return None
    if weights != AUTO:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(f'esm_weights: {path} does not exist; use a path, "auto" or "untrained"')
        return path
    found = cached_file(settings.file)
    if found:
        return found
    raise WeightsError(
        f"the weights of {settings.name} are not in the cache: {cache_folder() / settings.file} does not exist.\n"
        f"Fetch them from {settings.url} with\n"
        f"    pfold weights fetch {settings.name}\n"
        "or copy the file there."
    )


def esm_tensors(checkpoint: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a published checkpoint that embeddings need, under the names of `esm_layout`."""
    renamed = {_PREFIX.sub("", name): array for name, array in checkpoint.items()}
    return {name: array for name, array in renamed.items() if not _UNUSED.match(name)}


def esm_checkpoint(settings: EsmSettings) -> Checkpoint:
    """The published checkpoint of an ESM-2 model."""
    return Checkpoint(
        settings.name, settings.file, settings.url, lambda: esm_layout(settings), esm_tensors, as_float32=False
    )


def load_esm(settings: EsmSettings, weights: str = AUTO) -> Mapping[str, np.ndarray]:
    """The tensors of an ESM-2 checkpoint, as views of the mapped file; arguments as `esm_file`.

    Raises WeightsError for a missing or unreadable file and for tensors that are missing, extra or misshapen.
    """
    path = esm_file(settings, weights)
    if path is None:
        return UntrainedEsm(settings)
    tensors = esm_tensors(read_checkpoint(path))
    problems = name_problems(esm_layout(settings), tensors)
    if problems:
        raise WeightsError(f"{path}: not a checkpoint of {settings.name}: {problems}")
    return tensors
