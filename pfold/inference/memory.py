"""The memory plan: predicted peak of a prediction by stage, in how many pieces it fits, and how many targets of a pass.

The fused operators fix what exists beside the pairs: the model of `predicted_memory` counts it. MindSpore keeps memory
that a stage has freed for later ones, so its share is the largest so far; the operators' own goes back after a stage.
"""

import functools
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from pfold.inference.buckets import MIN_ATOMS_PER_TOKEN, padded_rows
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings

GIB = 2**30
# Bytes of MindSpore, pfold, its chemistry and the operators' packed weights. The model's weights are held once.
RUNTIME = 1.4 * GIB
# Measured bytes an atom of the windows of atom pairs and of what the diffusion module keeps beside them.
ATOM_BYTES = 96 * 1024
# Integer and float features of a pair: three bins, same entity, bond.
PAIR_FEATURES = 5 * 4
# float32 copies of the MSA rows while they are embedded.
MSA_COPIES = 4
# Share of the pairs that triangle multiplication holds beside its product (operands of 32 of 128 channels).
TRIANGLE_OPERANDS = 64
N_BINS = 64
# More targets than this in a pass win nothing; more tokens than this are enough for any device.
MAX_TARGETS = 16
MAX_TOKENS = 1024
# More blocks of rows than this save nothing that counts.
MAX_BLOCKS = 32
# Where the search for the longest target ends.
MAX_LENGTH = 1 << 15


@dataclass(frozen=True)
class Sizes:
    """What a forward pass is padded to: n_target targets of n_token tokens, n_atom atoms and n_msa MSA rows each."""

    n_token: int
    n_atom: int
    n_msa: int
    n_sample: int
    n_target: int = 1


@dataclass(frozen=True)
class Chunks:
    """Into how many pieces a pass is cut where it would not fit whole; results are the same, launches are more.

    samples: calls of the diffusion module in each step, each with its share of the samples. rows: blocks of rows in
    which the logits of pairs (distogram, PAE, PDE) are made and scored.
    """

    samples: int = 1
    rows: int = 1

    def __str__(self) -> str:
        """As the log and the command say it."""
        pieces = [f"samples in {self.samples} parts"] if self.samples > 1 else []
        pieces += [f"logits of pairs in {self.rows} blocks of rows"] if self.rows > 1 else []
        return ", ".join(pieces) or "in one piece"


WHOLE = Chunks()


@dataclass(frozen=True)
class MemoryPlan:
    """Predicted bytes at the peak of each stage, weights and MindSpore included, with these chunks."""

    trunk: float
    diffusion: float
    confidence: float
    chunks: Chunks

    @property
    def peak(self) -> float:
        """The largest of the stages."""
        return max(self.trunk, self.diffusion, self.confidence)


@functools.cache
def _weight_bytes(model: ModelSettings) -> float:
    return 4.0 * sum(math.prod(shape) for shape in checkpoint_layout(model).values())


def predicted_memory(model: ModelSettings, dtype: str, sizes: Sizes, chunks: Chunks = WHOLE) -> MemoryPlan:
    """Predict the peak of each stage (bytes)."""
    n_target = sizes.n_target
    width = 2 if dtype == "bfloat16" else 4
    pairs = float(n_target * sizes.n_token**2)
    z = pairs * model.c_z * width
    rows = padded_rows(min(sizes.n_msa, model.max_msa_rows)) * float(n_target * sizes.n_token)
    base = RUNTIME + _weight_bytes(model) + pairs * PAIR_FEATURES
    # Operators work on one target after another, or on four at most where there are many (kernels/cpu/operators.cpp).
    operators = (z + pairs * (TRIANGLE_OPERANDS * width + 4 * model.n_head)) * min(n_target, 4) / n_target

    trunk = z + MSA_COPIES * rows * model.c_m * 4 + rows * model.c_m * width
    together = -(-sizes.n_sample // chunks.samples)
    atoms = float(n_target * sizes.n_atom) * ATOM_BYTES * (1 + 0.1 * (together - 1))
    biases = pairs * model.n_diffusion_block * model.n_head * width
    diffusion = z + biases + pairs * model.n_head * 4 + atoms
    whole_logits = 2 * pairs * N_BINS * 4
    logits = whole_logits / chunks.rows
    confidence = 2 * z + 2 * pairs * model.n_head * 4 + logits
    # Measured: of a second copy's worth of logits, blocks save only half.
    copies = (logits + whole_logits) / 2
    return MemoryPlan(
        trunk=base + trunk + operators,
        diffusion=base + max(trunk, diffusion),
        confidence=base + max(trunk, diffusion, confidence) + operators + copies,
        chunks=chunks,
    )


def memory_plan(model: ModelSettings, dtype: str, sizes: Sizes, device: float) -> MemoryPlan:
    """The plan with the fewest pieces that fits into the device's memory (bytes); the smallest there is if none does.

    Its peak tells: it is above `device` then. Samples are cut only where blocks of rows are not enough.
    """
    for samples in _doubled(sizes.n_sample):
        for rows in _doubled(MAX_BLOCKS):
            plan = predicted_memory(model, dtype, sizes, Chunks(samples, rows))
            if plan.peak <= device:
                return plan
    return plan


def _doubled(maximum: int) -> list[int]:
    """1, 2, 4, ... up to the maximum, which ends it."""
    return [1 << i for i in range((maximum - 1).bit_length())] + [maximum]


def longest_target(model: ModelSettings, dtype: str, sizes: Sizes, device: float) -> int:
    """Most tokens of one target, with 8 atoms each, whose predicted peak fits into the device's memory; 0 for none.

    sizes: its MSA rows and samples are taken.
    """

    def fits(n_token: int) -> bool:
        one = replace(sizes, n_token=n_token, n_atom=MIN_ATOMS_PER_TOKEN * n_token, n_target=1)
        return memory_plan(model, dtype, one, device).peak <= device

    low, high = 0, MAX_LENGTH
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def targets_together(model: ModelSettings, dtype: str, sizes: Sizes, device: float) -> int:
    """How many such targets go through the model at once: as many as help, halved until they fit; 0 if none does."""
    count = max_targets(sizes.n_token)
    while count and memory_plan(model, dtype, replace(sizes, n_target=count), device).peak > device:
        count //= 2
    return count


def max_targets(n_token: int) -> int:
    """How many targets of a bucket go through the model at once: as many as help, one at least."""
    return max(1, min(MAX_TARGETS, MAX_TOKENS // n_token))


def device_bytes(configured: float | None) -> float:
    """Memory to plan for (bytes): what is configured, else that of this machine or the control group, if less.

    The memory of an NPU is not asked for: set device_bytes there.
    """
    if configured is not None:
        return float(configured)
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        file = Path(name)
        if file.is_file() and (text := file.read_text().strip()).isdigit():
            total = min(total, float(text))
    return total
