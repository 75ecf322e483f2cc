"""Check a checkpoint file: its content's checksums, its digest, and the names and shapes of its tensors."""

import zipfile
from pathlib import Path

from pfold.errors import WeightsError
from pfold.files import file_digest
from pfold.weights.esm import ESM_MODELS, EsmSettings, esm_layout, esm_tensors
from pfold.weights.layout import checkpoint_layout
from pfold.weights.load import name_problems, read_checkpoint
from pfold.weights.published import MODELS, ModelSettings, model_settings

Published = ModelSettings | EsmSettings


def published(name: str) -> Published:
    """A published model or language model by its name. Raises ConfigError for an unknown one."""
    return ESM_MODELS[name] if name in ESM_MODELS else model_settings(name)


def published_names() -> list[str]:
    """Names of everything that can be fetched."""
    return [*MODELS, *ESM_MODELS]


def verify_checkpoint(settings: Published, path: Path, sha256: str = "") -> str:
    """Check a .pt or .safetensors file and return its SHA-256.

    A .pt carries a checksum of every tensor, which is compared; so is the digest with `sha256` where one is given.
    Raises WeightsError, saying what is wrong, for a damaged file or one that is not the model's.
    """
    if not path.is_file():
        raise WeightsError(f"{path} does not exist")
    digest = file_digest(path)
    if sha256 and digest != sha256.lower():
        raise WeightsError(f"{path}: its SHA-256 is {digest}, not {sha256}; fetch it again")
    if path.suffix == ".pt":
        _check_archive(path)
    tensors = read_checkpoint(path)
    esm = isinstance(settings, EsmSettings)
    layout = esm_layout(settings) if isinstance(settings, EsmSettings) else checkpoint_layout(settings)
    problems = name_problems(layout, esm_tensors(tensors) if esm else tensors)
    if problems:
        raise WeightsError(f"{path}: not a checkpoint of {settings.name}: {problems}")
    return digest


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(f"{path}: not a readable .pt checkpoint ({error}); fetch it again") from None
    if damaged:
        raise WeightsError(f"{path}: {damaged} in it is damaged (its checksum is wrong); fetch it again")
