"""Embeddings of protein sequences by ESM-2, layer by layer: no more than one layer's weights are on the device."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from mindspore import Tensor

from pfold.constants import MASKED
from pfold.errors import InputError
from pfold.esm import model as esm2
from pfold.esm.settings import MAX_RESIDUES, EsmSettings, layer_layout
from pfold.inference.graphs import Graph, as_input, to_device
from pfold.logs import progress
from pfold.weights.tree import nest

logger = logging.getLogger(__name__)

# Sequences are padded to a multiple of this many tokens, so that few graphs are compiled.
LENGTH_STEP = 64

_embed_letters = Graph(esm2.embed_letters)
_transformer_layer = Graph(esm2.transformer_layer)
_normalise = Graph(esm2.normalise)


def encode_letters(sequence: str) -> np.ndarray:
    """Tokens of a sequence between a start and an end, [len(sequence) + 2] int32."""
    table = np.full(128, esm2.UNKNOWN, np.int32)
    for i, letter in enumerate(esm2.LETTERS):
        table[ord(letter)] = esm2.FIRST_LETTER + i
    letters = table[np.frombuffer(sequence.encode("ascii"), np.uint8)]
    return np.concatenate([[esm2.START], letters, [esm2.END]]).astype(np.int32)


def rotary_tables(length: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of the rotary embedding, [length, d] float32 each."""
    inverse = 1.0 / (10000 ** (np.arange(0, d, 2, dtype=np.float32) / np.float32(d)))
    angles = np.arange(length, dtype=np.float32)[:, None] * inverse[None].astype(np.float32)
    angles = np.concatenate([angles, angles], axis=1)
    return np.cos(angles), np.sin(angles)


def embed_sequences(
    settings: EsmSettings, weights: Mapping[str, np.ndarray], sequences: Sequence[str]
) -> list[np.ndarray]:
    """The last layer's representation of each residue, a list of [len(sequence), c] float32.

    weights: `pfold.esm.settings.load_esm`. Raises InputError for a sequence over 4,094 residues.
    """
    for sequence in sequences:
        if len(sequence) > MAX_RESIDUES:
            raise InputError(f"a chain of {len(sequence)} residues is over the {MAX_RESIDUES} that ESM-2 embeds")
    states = [_Sequence(sequence, settings) for sequence in sequences]
    letters = as_input({"embed_tokens.weight": Tensor(_float32(weights["embed_tokens.weight"]))})
    for state in states:
        state.x = _embed_letters(letters, state.tokens, state.mask)
    for i in progress(range(settings.n_layer), settings.name, "layer"):
        names = layer_layout(settings)
        layer = as_input(to_device(nest({name: _float32(weights[f"layers.{i}.{name}"]) for name in names})))
        for state in states:
            state.x = _transformer_layer(layer, state.x, state.cos, state.sin, state.key_bias)
    last = {f"emb_layer_norm_after.{part}": weights[f"emb_layer_norm_after.{part}"] for part in ("weight", "bias")}
    norm = as_input(to_device({name: _float32(array) for name, array in last.items()}))
    return [_normalise(norm, s.x).asnumpy()[1 : len(q) + 1] for s, q in zip(states, sequences, strict=True)]


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)


class _Sequence:
    """A sequence under way, padded."""

    def __init__(self, sequence: str, settings: EsmSettings) -> None:
        tokens = encode_letters(sequence)
        length = -(-len(tokens) // LENGTH_STEP) * LENGTH_STEP
        mask = (np.arange(length) < len(tokens)).astype(np.float32)
        padding = np.full(length - len(tokens), esm2.PADDING, np.int32)
        cos, sin = rotary_tables(length, settings.c // settings.n_head)
        self.tokens = Tensor(np.concatenate([tokens, padding]))
        self.mask, self.cos, self.sin = Tensor(mask), Tensor(cos), Tensor(sin)
        self.key_bias = Tensor((1 - mask) * np.float32(MASKED))
        self.x: Tensor = self.mask
