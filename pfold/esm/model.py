"""ESM-2, the protein language model (Lin et al. 2023; reference: fair-esm, esm/model/esm2.py)."""

from mindspore import Tensor, ops

from pfold.kernels.tensors import attention
from pfold.model.primitives import Params, expand, layer_norm, linear, merge_heads, split_heads

# Tokens in the order of the checkpoints' embedding matrix.
LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO.-"
FIRST_LETTER = 4
START, PADDING, END, UNKNOWN = 0, 1, 2, 3
# Share of tokens that were masked in training; embeddings are scaled for masks that are not there.
MASKED_IN_TRAINING = 0.15 * 0.8


def embed_letters(p: Params, tokens: Tensor, mask: Tensor) -> Tensor:
    """Embeddings of tokens.  tokens [T] int32, mask [T] (1 where there is a token) -> [T, c]."""
    x = ops.gather(p["embed_tokens.weight"], tokens, 0) * (1.0 - MASKED_IN_TRAINING)
    return x * expand(mask[:, None], x)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding.  x [H, T, d], cos and sin [T, d] -> [H, T, d]."""
    half = x.shape[-1] // 2
    rotated = ops.concat([-x[..., half:], x[..., :half]], axis=-1)
    return x * expand(cos[None], x) + rotated * expand(sin[None], x)


def transformer_layer(p: Params, x: Tensor, cos: Tensor, sin: Tensor, key_bias: Tensor) -> Tensor:
    """One layer of the transformer.

    x [T, c], cos and sin [T, d] of the rotary embedding, key_bias [T] (0 or MASKED) -> [T, c]. The head count is c / d.
    """
    n_head = x.shape[-1] // cos.shape[-1]
    heads = p["self_attn"]
    h = layer_norm(p, "self_attn_layer_norm", x)
    q, k = (rotate(split_heads(linear(heads, name, h), n_head), cos, sin) for name in ("q_proj", "k_proj"))
    v = split_heads(linear(heads, "v_proj", h), n_head)
    x = x + linear(heads, "out_proj", merge_heads(attention(q, k, v, key_bias[None, None])))
    h = linear(p, "fc1", layer_norm(p, "final_layer_norm", x))
    h = 0.5 * h * (1.0 + ops.erf(h * 0.5**0.5))
    return x + linear(p, "fc2", h)


def normalise(p: Params, x: Tensor) -> Tensor:
    """The last layer norm.  x [T, c] -> [T, c]."""
    return layer_norm(p, "emb_layer_norm_after", x)
