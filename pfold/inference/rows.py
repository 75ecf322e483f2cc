"""Blocks of rows of the pairs, in which pair logits are made where all of them would not fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor

from pfold.inference.graphs import to_array


@dataclass(frozen=True, eq=False)
class RowBlock:
    """The rows [start, start + size) of the pairs of each target of a pass.

    rows [n_target * size] int32: them, counted over all targets. All blocks of a pass have one size, so that one graph
    serves them: behind its targets' last row a block repeats it.
    """

    start: int
    size: int
    rows: Tensor

    def of_target(self, x: Tensor, target: int, n_token: int) -> np.ndarray:
        """What x [n_target * size, N, ...] has of a target's n_token rows and columns; none where it ends before."""
        mine = to_array(x)[target * self.size : (target + 1) * self.size]
        return np.asarray(mine[: max(0, n_token - self.start), :n_token])


def row_blocks(n_target: int, n_token: int, count: int) -> Iterator[RowBlock]:
    """Cut the rows of targets padded to n_token into `count` blocks, or fewer where there are fewer rows."""
    size = -(-n_token // count)
    for start in range(0, n_token, size):
        rows = np.minimum(np.arange(start, start + size), n_token - 1)
        every = n_token * np.arange(n_target)[:, None] + rows
        yield RowBlock(start, size, Tensor(every.reshape(-1), ms.int32))
