"""The memory plan of a training: the predicted peak of a step, and what is computed anew on the way back to fit it."""

import logging
import math
from dataclasses import dataclass, replace

from pfold.inference.buckets import MIN_ATOMS_PER_TOKEN, padded_rows
from pfold.inference.memory import GIB, device_bytes
from pfold.training.config import AUTO_RECOMPUTE, StepSettings, TrainConfig
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings

logger = logging.getLogger(__name__)

# From what is computed least anew to what needs least memory.
RECOMPUTE = ("update", "block")
# Measured bytes of MindSpore, pfold and the compiled graphs of a step.
RUNTIME = 0.8e9
# Weights, gradients, Adam's moments, their average, and which of them learn.
BUFFERS = 5.25
# Pair representations that a step holds beside those it keeps for the way back: measured of its largest segments.
SEGMENT_PAIRS = 33
# Kept beside one of each block: for the distogram, conditioning and the confidence head.
OTHER_PAIRS = 4
# Updates of the pairs in a block.
UPDATES = 5
# Pieces of a block of the diffusion transformer.
DIFFUSION_PIECES = 6
# Measured copies of atoms as wide as tokens, of the noisy copies that are denoised together.
ATOM_COPIES = 11
# Scores of triangle attentions that plain MindSpore holds for its derivative: of a block with two, and of one alone.
SCORES = {"block": 8, "update": 4}
N_TRIANGLE_HEAD = 4


@dataclass(frozen=True)
class CropSizes:
    """What a step is padded to, and how many noisy copies there are, and are denoised together."""

    n_token: int
    n_msa: int
    n_copy: int
    n_copy_at_once: int

    @classmethod
    def of(cls, settings: StepSettings) -> "CropSizes":
        """The largest of a stage's crops."""
        n_copy = settings.diffusion_batch
        return cls(max(settings.buckets), settings.max_msa_rows, n_copy, settings.diffusion_at_once or n_copy)


def predicted_peak(
    model: ModelSettings, crop: CropSizes, recompute: str, *, fused: bool = True, buffers: float = BUFFERS
) -> float:
    """Predicted peak of a step in float32 (bytes), with atoms as in proteins.

    fused: whether operators are those of CPUs; those in plain MindSpore hold the scores of triangle attentions.
    buffers: how many there are as long as the weights; 2 without an optimiser.
    """
    weights = 4.0 * sum(math.prod(shape) for shape in checkpoint_layout(model).values())
    pairs = float(crop.n_token**2)
    z = pairs * model.c_z * 4
    n_block = model.n_msa_block + model.n_pairformer_block + model.n_confidence_block + model.n_template_block
    kept_pairs = z * (n_block * (UPDATES if recompute == "update" else 1) + OTHER_PAIRS)
    tokens = crop.n_copy * crop.n_token * (model.c_token + model.c_token_input) * 4.0
    kept_tokens = tokens * model.n_diffusion_block * (DIFFUSION_PIECES if recompute == "update" else 1)
    rows = padded_rows(min(crop.n_msa, model.max_msa_rows)) * crop.n_token * model.c_m * 4.0
    atoms = crop.n_copy_at_once * MIN_ATOMS_PER_TOKEN * crop.n_token * model.c_token * 4.0 * ATOM_COPIES
    scores = 0.0 if fused else SCORES[recompute] * N_TRIANGLE_HEAD * pairs * crop.n_token * 4
    kept = kept_pairs + kept_tokens + rows * model.n_msa_block
    return RUNTIME + weights * buffers + kept + z * SEGMENT_PAIRS + rows * 4 + atoms + scores


def longest_crop(model: ModelSettings, crop: CropSizes, recompute: str, device: float, *, fused: bool = True) -> int:
    """Most tokens of a crop whose predicted peak fits into the device's memory (bytes), to 8 tokens; 0 for none."""
    n_token = 0
    while predicted_peak(model, replace(crop, n_token=n_token + 8), recompute, fused=fused) <= device:
        n_token += 8
    return n_token


def with_memory_plan(config: TrainConfig, *, fused: bool, n_process: int = 1) -> TrainConfig:
    """The configuration with `recompute` chosen where it is "auto": what is fastest of what fits; logs what is needed.

    The choice depends on the machine, not on what is free, so that a training that goes on takes the same. On CPUs
    (fused) the processes share the machine's memory, unless `device_bytes` says what each may take.
    """
    device = device_bytes(config.device_bytes)
    if fused and config.device_bytes is None:
        device /= n_process
    stages = []
    for first, settings in config.stages:
        crop = CropSizes.of(settings)
        peaks = {name: predicted_peak(config.model, crop, name, fused=fused) for name in RECOMPUTE}
        chosen = settings.recompute
        if chosen == AUTO_RECOMPUTE:
            chosen = next((name for name in RECOMPUTE if peaks[name] <= device), RECOMPUTE[-1])
        level, hint = logging.INFO, ""
        if peaks[chosen] > device:
            fits = longest_crop(config.model, crop, chosen, device, fused=fused)
            level = logging.WARNING
            hint = f"; a smaller crop.n_token or diffusion_at_once needs less ({fits} tokens would fit)"
        needed, of = peaks[chosen] / GIB, device / GIB
        told = "step %d on: crops of %d tokens need about %.1f of %.1f GiB (recompute: %s)%s"
        logger.log(level, told, first, crop.n_token, needed, of, chosen, hint)
        stages.append((first, replace(settings, recompute=chosen)))
    return replace(config, stages=tuple(stages))
