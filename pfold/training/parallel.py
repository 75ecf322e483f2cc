"""Data parallel training over processes that `msrun` started: each learns its examples, gradients are summed."""

import os

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops


class Processes:
    """The processes of a training: `rank` of this one, from 0, and how many there are.

    Over MindSpore's own collectives: HCCL on NPUs, MCCL on CPUs.
    """

    def __init__(self) -> None:
        self.rank, self.size = 0, int(os.environ.get("MS_WORKER_NUM", "1"))
        if self.size > 1:
            from mindspore.communication import get_rank, init

            init("hccl" if ms.get_context("device_target") == "Ascend" else "mccl")
            self.rank = get_rank()
            self._sum = ops.AllReduce(ops.ReduceOp.SUM)

    def sum(self, x: np.ndarray) -> None:
        """Replace a float32 buffer by its sum over all processes."""
        if self.size > 1:
            np.copyto(x, self._sum(Tensor(x)).asnumpy())
