"""Everything that can be fetched, verified and converted: the models' and the language models' checkpoints."""

from pfold.esm.settings import ESM_MODELS, esm_checkpoint
from pfold.weights.checkpoint import Checkpoint, model_checkpoint
from pfold.weights.published import MODELS, model_settings


def published(name: str) -> Checkpoint:
    """The checkpoint of a model or language model by its name. Raises ConfigError for an unknown one."""
    return esm_checkpoint(ESM_MODELS[name]) if name in ESM_MODELS else model_checkpoint(model_settings(name))


def published_names() -> list[str]:
    """Names of everything that can be fetched."""
    return [*MODELS, *ESM_MODELS]
