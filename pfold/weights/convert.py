"""Turn a published .pt checkpoint into safetensors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pfold.files import atomic_file
from pfold.weights.esm import esm_tensors
from pfold.weights.load import read_checkpoint
from pfold.weights.published import ModelSettings
from pfold.weights.verify import Published, verify_checkpoint


def convert_checkpoint(settings: Published, source: Path, destination: Path) -> None:
    """Read a .pt checkpoint, verify that it is the model's, and write it as .safetensors.

    A model's tensors become float32, a language model's keep their type. Raises WeightsError for a file that is not a
    checkpoint of the model.
    """
    verify_checkpoint(settings, source)
    tensors = read_checkpoint(source)
    if isinstance(settings, ModelSettings):
        arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    else:
        arrays = {name: np.ascontiguousarray(array) for name, array in esm_tensors(tensors).items()}
    with atomic_file(destination) as temporary:
        save_file(arrays, temporary)
