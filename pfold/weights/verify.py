"""Check a checkpoint file: its content's checksums, its digest, and the names and shapes of its tensors."""

import zipfile
from pathlib import Path

from pfold.errors import WeightsError
from pfold.files import file_digest
from pfold.weights.checkpoint import Checkpoint
from pfold.weights.load import name_problems, read_checkpoint


def verify_checkpoint(checkpoint: Checkpoint, path: Path, sha256: str = "") -> str:
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
    problems = name_problems(checkpoint.layout(), checkpoint.tensors(read_checkpoint(path)))
    if problems:
        raise WeightsError(f"{path}: not a checkpoint of {checkpoint.name}: {problems}")
    return digest


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(f"{path}: not a readable .pt checkpoint ({error}); fetch it again") from None
    if damaged:
        raise WeightsError(f"{path}: {damaged} in it is damaged (its checksum is wrong); fetch it again")
