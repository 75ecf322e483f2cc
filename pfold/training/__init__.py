"""Training: losses, data, and the trainer (AF3 supplement, sections 2.5, 3.7, 4 and 5)."""

from pfold.training.gradients import loss_and_gradients as loss_and_gradients
from pfold.training.losses import LOSS_WEIGHTS as LOSS_WEIGHTS
