"""Losses inside graphs, in float32 (AF3 supplement, section 3.7 and 4; reference: protenix/model/loss.py).

Labels and weights come from `pfold.training.labels`.
"""

from mindspore import Tensor, ops
from mindspore import dtype as mstype

from pfold import kernels
from pfold.model.primitives import Params

# The published weights of the first stage; later stages and fine-tuning change some (`pfold.training.config`).
LOSS_WEIGHTS = {
    "smooth_lddt_loss": 4.0,
    "bond_loss": 0.0,
    "mse_loss": 4.0,
    "distogram_loss": 0.03,
    "plddt_loss": 1e-4,
    "pde_loss": 1e-4,
    "resolved_loss": 1e-4,
    "pae_loss": 0.0,
}
# In the order of `coordinate_losses`.
COORDINATE_LOSSES = ("smooth_lddt_loss", "bond_loss", "mse_loss")
CONFIDENCE_LOSSES = ("plddt_loss", "pde_loss", "resolved_loss", "pae_loss")
# Of a third of the squared error in AF3's equation 3.
MSE_SCALE = 1 / 3


def cross_entropy(logits: Tensor, bins: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of cross entropies.  logits [..., n_bin], bins [...] int32, weight [...] -> []."""
    n_bin = logits.shape[-1]
    rows = logits.reshape((-1, n_bin)).astype(mstype.float32)
    shifted = rows - ops.tile(ops.stop_gradient(rows.max(axis=-1, keepdims=True)), (1, n_bin))
    log_sum = ops.log(ops.exp(shifted).sum(axis=-1))
    chosen = (shifted * ops.one_hot(bins.reshape((-1,)), n_bin, Tensor(1.0), Tensor(0.0))).sum(axis=-1)
    return ((log_sum - chosen) * weight.reshape((-1,))).sum()


def mse_loss(x: Tensor, aligned: Tensor, weight: Tensor) -> Tensor:
    """Weighted squared error of the denoised positions, AF3 equations 3 and 4, scaled by the noise level.

    x and aligned [S, A, 3] (Å), weight [S, A]: of the atoms, times the sample's scale, over all that is averaged.
    """
    difference = x - aligned
    return MSE_SCALE * ((difference * difference).sum(axis=-1) * weight).sum()


def bond_loss(x: Tensor, first: Tensor, second: Tensor, length: Tensor, weight: Tensor) -> Tensor:
    """Squared error of the lengths of bonds between polymers and ligands, AF3 equation 5.

    x [S, A, 3] (Å), first and second [n] int32: atoms of a bond, length [n] (Å), weight [S, n].
    """
    difference = ops.gather(x, first, 1) - ops.gather(x, second, 1)
    d = ops.sqrt((difference * difference).sum(axis=-1))
    error = d - ops.tile(length[None], (d.shape[0], 1))
    return (error * error * weight).sum()


def coordinate_losses(c: Params, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the denoised positions x [S, A, 3]: smooth lDDT, bonds, mean square error; c: their labels."""
    lddt = 1.0 - kernels.smooth_lddt(x, c["true_distance"], c["lddt_mask"]).mean()
    bonds = bond_loss(x, c["bond_first"], c["bond_second"], c["bond_length"], c["bond_weight"])
    return lddt, bonds, mse_loss(x, c["aligned"], c["mse_weight"])
