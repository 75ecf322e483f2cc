"""Dropout of a training pass: masks that are shared by rows or columns, drawn on the host (AF3 Algorithms 8 and 17)."""

from dataclasses import dataclass

import numpy as np

# Updates of the pairs, and whether their masks are shared by all rows or by all columns.
_PAIR_UPDATES = ("outgoing", "incoming", "starting", "ending")
_BY_COLUMN = "ending"


@dataclass(frozen=True)
class DropoutRates:
    """Share of the channels that is left out: of updates of pairs, and of MSA rows."""

    pair: float
    msa: float

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return self.pair > 0 or self.msa > 0


class DropoutMasks:
    """Masks of one pass, in the order in which they are asked for: a function of the seed alone."""

    def __init__(self, rates: DropoutRates, seed: int, n_token: int) -> None:
        self.rates, self.n_token = rates, n_token
        self._generator = np.random.Generator(np.random.Philox(seed))

    def of_block(self, c_z: int, c_m: int | None = None) -> dict[str, np.ndarray]:
        """Masks of a block's updates of pairs, [1, N, c_z] or [N, 1, c_z], and of MSA rows [1, N, c_m], float32.

        What stays is scaled up, so that the mean of an update is the same.
        """
        masks = {name: self._mask(self.rates.pair, c_z) for name in _PAIR_UPDATES}
        masks = {name: mask[:, None] if name == _BY_COLUMN else mask[None] for name, mask in masks.items()}
        return masks if c_m is None else masks | {"msa": self._mask(self.rates.msa, c_m)[None]}

    def _mask(self, rate: float, channels: int) -> np.ndarray:
        kept = self._generator.random((self.n_token, channels), dtype=np.float32) >= rate
        return np.asarray(kept / np.float32(1 - rate), np.float32)
