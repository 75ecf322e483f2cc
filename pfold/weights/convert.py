"""Turn a published .pt checkpoint into safetensors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pfold.files import atomic_file
from pfold.weights.load import check_layout, read_checkpoint
from pfold.weights.published import ModelSettings


def convert_checkpoint(settings: ModelSettings, source: Path, destination: Path) -> None:
    """Read a .pt checkpoint, check that it is the model's, and write it as float32 .safetensors.

    Raises WeightsError for a file that is not a checkpoint of the model.
    """
    tensors = read_checkpoint(source)
    check_layout(settings, tensors, str(source))
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    with atomic_file(destination) as temporary:
        save_file(arrays, temporary)
