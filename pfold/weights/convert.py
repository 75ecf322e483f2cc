"""Turn a published .pt checkpoint into safetensors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pfold.files import atomic_file
from pfold.weights.checkpoint import Checkpoint
from pfold.weights.load import read_checkpoint
from pfold.weights.verify import verify_checkpoint


def convert_checkpoint(checkpoint: Checkpoint, source: Path, destination: Path, *, half: bool = False) -> None:
    """Read a checkpoint, verify that it is the model's, and write it as .safetensors.

    Tensors keep their type, or become float32 where the checkpoint asks for it. half: 16-bit floats, of half the size,
    where a tensor's numbers have a place among them.
    Raises WeightsError for a file that is not a checkpoint of the model.
    """
    verify_checkpoint(checkpoint, source)
    dtype = np.float32 if checkpoint.as_float32 else None
    tensors = checkpoint.tensors(read_checkpoint(source))
    arrays = {name: np.ascontiguousarray(array, dtype) for name, array in tensors.items()}
    if half:
        largest = np.finfo(np.float16).max
        arrays = {n: x.astype(np.float16) if np.abs(x).max() <= largest else x for n, x in arrays.items()}
    with atomic_file(destination) as temporary:
        save_file(arrays, temporary)
