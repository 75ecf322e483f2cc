"""MSA module (AF3 Algorithm 8)."""

from mindspore import Tensor, ops

from pfold import kernels
from pfold.model.pairformer import drop, pair_stack
from pfold.model.primitives import Params, expand, linear

N_MSA_CLASSES = 32


def embed_msa(p: Params, a: Params, s_inputs: Tensor) -> Tensor:
    """MSA representation m, AF3 Algorithm 8, lines 1-4.

    a: msa [N_msa, N] int32, has_deletion and deletion_value [N_msa, N]; s_inputs [N, c_s_inputs] -> [N_msa, N, c_m].
    The one-hot product of the paper is a row look-up in the weight matrix. Of a batch, the targets' rows are
    below one another.
    """
    table = p["linear_no_bias_m.weight"].transpose(1, 0)
    m = ops.gather(table[:N_MSA_CLASSES], a["msa"], 0)
    deletions = ops.stack([a["has_deletion"], a["deletion_value"]], axis=-1)
    m = m + kernels.affine(deletions, table[N_MSA_CLASSES:].transpose(1, 0))
    n = m.shape[1]
    n_target = s_inputs.shape[0] // n
    by_target = m.reshape((n_target, m.shape[0] // n_target, n, m.shape[2]))
    single = linear(p, "linear_no_bias_s", s_inputs).reshape((n_target, 1, n, m.shape[2]))
    return (by_target + expand(single, by_target)).reshape(m.shape)


def msa_block(
    p: Params, z: Tensor, mask: Tensor, m: Tensor, msa_mask: Tensor, dropout: Params | None = None
) -> tuple[Tensor, Tensor]:
    """One block, AF3 Algorithm 8, lines 6-13; a model's last block has no stack of its own for m.

    z [N, N, c_z], mask [N], m [N_msa, N, c_m], msa_mask [N_msa] -> z, m. dropout: as in `pair_stack`, and of m.
    """
    z = kernels.outer_product_mean(p["outer_product_mean_msa"], z, mask, m, msa_mask)
    if "msa_stack" in p:
        stack = p["msa_stack"]
        averaged, z = kernels.pair_weighted_averaging(stack["msa_pair_weighted_averaging"], z, mask, m, msa_mask)
        m = kernels.row_transition(stack["transition_m"], drop(m, averaged, dropout, "msa"), msa_mask)
    return pair_stack(p["pair_stack"], z, mask, dropout), m
