"""Random parameters and inputs of every operator, by the checkpoint's names: for benchmarks and for tests."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor

from pfold.constants import N_POSITION_BINS, S_MAX
from pfold.weights.layout import N_RELATIVE

Params = dict[str, Any]


class Random:
    """Random tensors of one seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)

    def values(self, *shape: int) -> np.ndarray:
        """Normal values, float32."""
        return self.random.standard_normal(shape).astype(np.float32)

    def tensor(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal values times a scale."""
        return Tensor(self.values(*shape) * np.float32(scale))

    def layer(self, n_out: int, n_in: int) -> Tensor:
        """The weight of a linear layer, which keeps the size of its inputs."""
        return self.tensor(n_out, n_in, scale=n_in**-0.5)

    def layers(self, shapes: Mapping[str, tuple[int, int]]) -> Params:
        """Weights of linear layers: name -> (n_out, n_in)."""
        return {f"{name}.weight": self.layer(*shape) for name, shape in shapes.items()}

    def norm(self, name: str, c: int, *, bias: bool = True) -> Params:
        """Scale and, if wanted, offset of a layer norm."""
        p: Params = {f"{name}.weight": Tensor(1 + np.float32(0.3) * self.values(c))}
        return p | ({f"{name}.bias": self.tensor(c, scale=0.3)} if bias else {})

    def triangle_multiplication(self, c_z: int, hidden: int) -> Params:
        """AF3 Algorithms 12 and 13."""
        p = self.norm("layer_norm_in", c_z) | self.norm("layer_norm_out", hidden)
        p |= self.layers(dict.fromkeys(("linear_a_g", "linear_a_p", "linear_b_g", "linear_b_p"), (hidden, c_z)))
        return p | self.layers({"linear_g": (c_z, c_z), "linear_z": (c_z, hidden)})

    def triangle_attention(self, c_z: int, n_head: int) -> Params:
        """AF3 Algorithms 14 and 15."""
        p = self.norm("layer_norm", c_z) | self.layers({"linear": (n_head, c_z)})
        return p | {"mha": self.layers({f"linear_{name}": (c_z, c_z) for name in "qkvgo"})}

    def transition(self, c: int, factor: int = 4, *, bias: bool = True) -> Params:
        """AF3 Algorithm 11, `factor` times as wide."""
        p = self.norm("layernorm1", c, bias=bias) | self.layers({f"linear_no_bias_{x}": (factor * c, c) for x in "ab"})
        return p | self.layers({"linear_no_bias": (c, factor * c)})

    def outer_product_mean(self, c_z: int, c_m: int, hidden: int) -> Params:
        """AF3 Algorithm 9."""
        p = self.norm("layer_norm", c_m) | self.layers({"linear_1": (hidden, c_m), "linear_2": (hidden, c_m)})
        return p | self.layers({"linear_out": (c_z, hidden**2)}) | {"linear_out.bias": self.tensor(c_z)}

    def pair_weighted_averaging(self, c_z: int, c_m: int, n_head: int, d: int) -> Params:
        """AF3 Algorithm 10."""
        p = self.norm("layernorm_m", c_m) | self.norm("layernorm_z", c_z)
        p |= self.layers({"linear_no_bias_z": (n_head, c_z), "linear_no_bias_out": (c_m, n_head * d)})
        return p | self.layers({f"linear_no_bias_{name}": (n_head * d, c_m) for name in ("mv", "mg")})

    def pair_bias(self, c_z: int, n_head: int, *, bias: bool = True) -> Params:
        """AF3 Algorithm 24, line 8."""
        return self.norm("layernorm_z", c_z, bias=bias) | self.layers({"linear_nobias_z": (n_head, c_z)})

    def pair_embedding(self, c_z: int) -> Params:
        """AF3 Algorithm 1, lines 3-5 and 8."""
        p = self.norm("layernorm_z_cycle", c_z)
        p |= self.layers({"linear_no_bias_z_cycle": (c_z, c_z), "linear_no_bias_token_bond": (c_z, 1)})
        return p | {"relative_position_encoding": self.layers({"linear_no_bias": (c_z, N_RELATIVE)})}

    def logits(self, c_z: int, n_bin: int) -> Params:
        """A layer norm `norm` and a linear layer `layer`."""
        return self.norm("norm", c_z) | self.layers({"layer": (n_bin, c_z)}) | {"layer.bias": self.tensor(n_bin)}

    def distances(self, c_z: int, edges: np.ndarray, overlap: float = 0.0) -> Params:
        """AF3 Algorithm 31, lines 1-3; bins that overlap are what made-up weights have."""
        p = {"lower_bins": Tensor(edges[:-1]), "upper_bins": Tensor(edges[1:] + np.float32(overlap))}
        n_bin = len(edges) - 1
        return p | self.layers({"linear_no_bias_d": (c_z, n_bin), "linear_no_bias_d_wo_onehot": (c_z, 1)})

    def diffusion_pairs(
        self, c_z: int, n_atom_pair: int, n_head: int, n_block: int
    ) -> tuple[Params, Params, list[Params]]:
        """AF3 Algorithms 5, 21 and 24: of the conditioning, the atom encoder and each token block."""
        p = self.norm("layernorm_z", 2 * c_z) | self.layers({"linear_no_bias_z": (c_z, 2 * c_z)})
        p |= {"relpe": self.layers({"linear_no_bias": (c_z, N_RELATIVE)})}
        p |= {f"transition_z{i}": self.transition(c_z, 2) for i in (1, 2)}
        encoder = self.norm("layernorm_z", c_z, bias=False) | self.layers({"linear_no_bias_z": (n_atom_pair, c_z)})
        return p, encoder, [self.pair_bias(c_z, n_head) for _ in range(n_block)]

    def relative_positions(self, n_target: int, n: int) -> Params:
        """Device features of the pairs of a batch."""
        shape = (n_target * n, n)
        f = {f"relative_{x}": self.random.integers(0, N_POSITION_BINS, shape) for x in ("residue", "token")}
        f["relative_chain"] = self.random.integers(0, 2 * S_MAX + 2, shape)
        p = {name: Tensor(x.astype(np.int32)) for name, x in f.items()}
        for name in ("same_entity", "token_bonds"):
            p[name] = Tensor((self.random.random(shape) < 0.3).astype(np.float32))
        return p
