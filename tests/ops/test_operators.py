"""The fused CPU operators against the reference operators, on random parameters, shapes, masks and values."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from pfold.ops import MASKED, reference
from pfold.ops.build import INSTRUCTION_SETS, KernelBuildError, kernel_library

try:
    kernel_library()
except KernelBuildError as error:
    pytest.skip(f"no fused operators here: {error}", allow_module_level=True)

from pfold.ops import cpu

C_Z, C_M, C_HIDDEN = 64, 32, 32
# Root mean square error over root mean square of the update.
TOLERANCE = {"float32": 2e-6, "bfloat16": 2e-2}
# (targets, N_token, tokens present in the first target): odd sizes, more than a panel of 64, padding.
SIZES = [(1, 5, 5), (1, 37, 30), (2, 70, 65), (1, 131, 131)]
DTYPES = ["float32", "bfloat16"]


class Case:
    """Random pairs, alignment and masks of a batch."""

    def __init__(self, n_target: int, n: int, n_present: int, n_msa: int = 7, scale: float = 1.0) -> None:
        self.random = np.random.default_rng(n)
        self.n_target, self.n = n_target, n
        mask = np.ones((n_target, n), np.float32)
        mask[0, n_present:] = 0
        mask[0, 1] = 0 if n_present < n else 1
        self.mask = mask.reshape(-1)
        msa_mask = np.ones((n_target, n_msa), np.float32)
        msa_mask[0, n_msa - 2 :] = 0
        self.msa_mask = msa_mask.reshape(-1)
        self.z = self.values(n_target * n, n, C_Z) * np.float32(scale)
        self.m = self.values(n_target * n_msa, n, C_M) * np.float32(scale)

    def values(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape).astype(np.float32)

    def layer(self, n_out: int, n_in: int) -> Tensor:
        return Tensor(self.values(n_out, n_in) * np.float32(n_in**-0.5))

    def norm(self, name: str, c: int, bias: bool = True) -> dict[str, Tensor]:
        p = {f"{name}.weight": Tensor(1 + 0.3 * self.values(c))}
        return p | ({f"{name}.bias": Tensor(0.3 * self.values(c))} if bias else {})

    def present_pairs(self) -> np.ndarray:
        mask = self.mask.reshape(self.n_target, self.n)
        return (mask[:, :, None] * mask[:, None, :]).reshape(self.n_target * self.n, self.n) > 0


def run(
    operator: Callable[..., Any], dtype: str, changed: np.ndarray, arguments: Callable[[Tensor], tuple]
) -> np.ndarray:
    """What an operator makes of `changed`, a fresh tensor of it among its arguments."""
    x = Tensor(changed.copy())
    if dtype == "bfloat16":
        x = x.astype(ms.bfloat16)
    return operator(*arguments(x)).float().asnumpy()


def assert_same_update(
    name: str, dtype: str, x: np.ndarray, arguments: Callable[[Tensor], tuple], present: np.ndarray, looser: float = 1
) -> None:
    """The operator `name` adds the same to x in both backends, where x is present, to `looser` times the tolerance."""
    if dtype == "bfloat16":
        x = Tensor(x).astype(ms.bfloat16).float().asnumpy()
    expected = run(getattr(reference, name), "float32", x, arguments)
    found = run(getattr(cpu, name), dtype, x, arguments)
    update = (expected - x)[present]
    error = (found - expected)[present]
    assert np.sqrt((update**2).mean()) > 1e-3
    # A bf16 result is rounded: what it was added to sets the scale.
    scale = np.sqrt((update**2).mean()) + (np.sqrt((x[present] ** 2).mean()) * 0.2 if dtype == "bfloat16" else 0)
    assert np.sqrt((error**2).mean()) < TOLERANCE[dtype] * scale * looser


def multiplication(case: Case) -> dict[str, Any]:
    """Parameters with twice as many hidden channels as pairs have, as in the template embedder."""
    p = case.norm("layer_norm_in", C_Z) | case.norm("layer_norm_out", 2 * C_Z)
    for name in ("linear_a_g", "linear_a_p", "linear_b_g", "linear_b_p"):
        p[f"{name}.weight"] = case.layer(2 * C_Z, C_Z)
    return p | {"linear_g.weight": case.layer(C_Z, C_Z), "linear_z.weight": case.layer(C_Z, 2 * C_Z)}


def attention(case: Case) -> dict[str, Any]:
    p: dict[str, Any] = case.norm("layer_norm", C_Z) | {"linear.weight": case.layer(2, C_Z)}
    p["mha"] = {f"linear_{name}.weight": case.layer(C_Z, C_Z) for name in "qkvgo"}
    return p


def transition(case: Case, c: int, bias: bool = True) -> dict[str, Tensor]:
    p = case.norm("layernorm1", c, bias) | {f"linear_no_bias_{x}.weight": case.layer(4 * c, c) for x in "ab"}
    return p | {"linear_no_bias.weight": case.layer(c, 4 * c)}


PAIR_OPERATORS = {
    "triangle_multiplication_outgoing": multiplication,
    "triangle_multiplication_incoming": multiplication,
    "triangle_attention_starting": attention,
    "triangle_attention_ending": attention,
    "row_transition": lambda case: transition(case, C_Z),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAIR_OPERATORS)
def test_pair_operators(name: str, size: tuple[int, int, int], dtype: str) -> None:
    case = Case(*size)
    p = PAIR_OPERATORS[name](case)
    assert_same_update(name, dtype, case.z, lambda z: (p, z, Tensor(case.mask)), case.present_pairs())


@pytest.mark.parametrize("name", PAIR_OPERATORS)
def test_pair_operators_on_large_values(name: str) -> None:
    """Layer norm, softmax and gates neither overflow nor lose the update where activations are thousands."""
    case = Case(1, 40, 40, scale=3000.0)
    p = PAIR_OPERATORS[name](case)
    x = Tensor(case.z.copy())
    found = getattr(cpu, name)(p, x, Tensor(case.mask)).asnumpy() - case.z
    expected = getattr(reference, name)(p, Tensor(case.z), Tensor(case.mask)).asnumpy() - case.z
    assert np.isfinite(found).all()
    # The sum is rounded at 3000 * 2^-24 in both.
    assert np.abs(found - expected).max() < 5e-3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_outer_product_mean(size: tuple[int, int, int], dtype: str) -> None:
    case = Case(*size)
    p = case.norm("layer_norm", C_M) | {f"linear_{i}.weight": case.layer(C_HIDDEN, C_M) for i in (1, 2)}
    p |= {"linear_out.weight": case.layer(C_Z, C_HIDDEN**2), "linear_out.bias": Tensor(case.values(C_Z))}
    m = as_dtype(case.m, dtype)

    def arguments(z: Tensor) -> tuple:
        return p, z, Tensor(case.mask), m.astype(z.dtype), Tensor(case.msa_mask)

    assert_same_update("outer_product_mean", dtype, case.z, arguments, case.present_pairs())


def as_dtype(x: np.ndarray, dtype: str) -> Tensor:
    """x as the values that dtype holds, in float32."""
    return Tensor(x).astype(getattr(ms, dtype)).float()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_pair_weighted_averaging(size: tuple[int, int, int], dtype: str) -> None:
    case = Case(*size)
    p = case.norm("layernorm_m", C_M) | case.norm("layernorm_z", C_Z) | {"linear_no_bias_z.weight": case.layer(8, C_Z)}
    p |= {f"linear_no_bias_{x}.weight": case.layer(64, C_M) for x in ("mv", "mg")}
    p |= {"linear_no_bias_out.weight": case.layer(C_M, 64)}
    z = as_dtype(case.z, dtype)

    def arguments(m: Tensor) -> tuple:
        return p, z.astype(m.dtype), Tensor(case.mask), m, Tensor(case.msa_mask)

    columns = np.repeat(case.mask.reshape(case.n_target, -1), len(case.msa_mask) // case.n_target, axis=0)
    present = (case.msa_mask[:, None] * columns) > 0
    assert_same_update("pair_weighted_averaging", dtype, case.m, arguments, present)


def close(found: Any, expected: Any, tolerance: float = 2e-6) -> bool:
    a, b = found.float().asnumpy(), expected.float().asnumpy()
    return bool(np.sqrt(((a - b) ** 2).mean()) < tolerance * np.sqrt((b**2).mean()))


def masked_rows(case: Case, x: Tensor) -> Tensor:
    """x [n_target * N, N, c] with absent pairs set to zero."""
    return Tensor(np.where(case.present_pairs()[..., None], x.float().asnumpy(), 0))


@pytest.mark.parametrize("size", SIZES)
def test_pair_bias(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p = case.norm("layernorm_z", C_Z, bias=False) | {"linear_nobias_z.weight": case.layer(6, C_Z)}
    arguments = p, Tensor(case.z), Tensor(case.mask)
    found, expected = cpu.pair_bias(*arguments).asnumpy(), reference.pair_bias(*arguments).asnumpy()
    assert found.shape == expected.shape == (6 * case.n_target, case.n, case.n)
    present = case.mask.reshape(case.n_target, -1)
    for target in range(case.n_target):
        heads = slice(6 * target, 6 * target + 6)
        keys, rows = present[target] > 0, present[target] > 0
        np.testing.assert_allclose(found[heads][:, rows][:, :, keys], expected[heads][:, rows][:, :, keys], atol=2e-5)
        assert (found[heads][:, :, ~keys] < -1e8).all()


def relative_positions(case: Case) -> dict[str, Tensor]:
    shape = (case.n_target * case.n, case.n)
    f = {f"relative_{x}": case.random.integers(0, 66, shape).astype(np.int32) for x in ("residue", "token")}
    f["relative_chain"] = case.random.integers(0, 6, shape).astype(np.int32)
    for name in ("same_entity", "token_bonds"):
        f[name] = (case.random.random(shape) < 0.3).astype(np.float32)
    return {name: Tensor(x) for name, x in f.items()}


@pytest.mark.parametrize("size", SIZES)
def test_pair_embedding(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p: dict[str, Any] = case.norm("layernorm_z_cycle", C_Z) | {"linear_no_bias_z_cycle.weight": case.layer(C_Z, C_Z)}
    p["relative_position_encoding"] = {"linear_no_bias.weight": case.layer(C_Z, 139)}
    p["linear_no_bias_token_bond.weight"] = case.layer(C_Z, 1)
    rest = relative_positions(case), Tensor(case.values(len(case.mask), C_Z)), Tensor(case.values(len(case.mask), C_Z))
    assert_same_update(
        "pair_embedding", "float32", case.z, lambda z: (p, z, Tensor(case.mask), *rest), case.present_pairs()
    )


@pytest.mark.parametrize("size", SIZES)
def test_pair_logits(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p = case.norm("norm", C_Z) | {"layer.weight": case.layer(50, C_Z), "layer.bias": Tensor(case.values(50))}
    for name, norm in (("pair_logits", "norm"), ("symmetric_pair_logits", "norm"), ("symmetric_pair_logits", "")):
        rows = np.arange(len(case.z), dtype=np.int32)
        arguments = p, norm, "layer", Tensor(case.z), Tensor(case.mask)
        found, expected = (getattr(backend, name)(*arguments, Tensor(rows)) for backend in (cpu, reference))
        assert close(masked_rows(case, found), masked_rows(case, expected))
        # The last rows of each target, which may be padding, and a row twice.
        some = np.concatenate([rows[len(rows) // 2 :], rows[-1:]])
        np.testing.assert_array_equal(getattr(cpu, name)(*arguments, Tensor(some)).asnumpy(), found.asnumpy()[some])


@pytest.mark.parametrize("size", SIZES)
def test_confidence_pairs(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    # Overlapping bins, as made-up weights have.
    edges = np.linspace(0.5, 4, 12).astype(np.float32)
    p = {"lower_bins": Tensor(edges[:-1]), "upper_bins": Tensor(edges[1:] + np.float32(0.5))}
    p |= {"linear_no_bias_d.weight": case.layer(C_Z, 11), "linear_no_bias_d_wo_onehot.weight": case.layer(C_Z, 1)}
    rows = [Tensor(case.values(len(case.mask), c)) for c in (C_Z, C_Z, 3)]
    z = Tensor(case.z.copy())
    found = cpu.confidence_pairs(p, z, Tensor(case.mask), *rows)
    expected = reference.confidence_pairs(p, Tensor(case.z), Tensor(case.mask), *rows)
    assert close(masked_rows(case, found), masked_rows(case, expected))
    np.testing.assert_array_equal(z.asnumpy(), case.z)


@pytest.mark.parametrize("size", SIZES)
def test_diffusion_pairs(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p: dict[str, Any] = case.norm("layernorm_z", 2 * C_Z) | {"linear_no_bias_z.weight": case.layer(C_Z, 2 * C_Z)}
    p["relpe"] = {"linear_no_bias.weight": case.layer(C_Z, 139)}
    for i in (1, 2):
        hidden = {f"linear_no_bias_{x}.weight": case.layer(2 * C_Z, C_Z) for x in "ab"}
        weights = hidden | {"linear_no_bias.weight": case.layer(C_Z, 2 * C_Z)}
        p[f"transition_z{i}"] = case.norm("layernorm1", C_Z) | weights
    encoder = case.norm("layernorm_z", C_Z, bias=False) | {"linear_no_bias_z.weight": case.layer(16, C_Z)}
    blocks = [case.norm("layernorm_z", C_Z) | {"linear_nobias_z.weight": case.layer(4, C_Z)} for _ in range(3)]
    arguments = p, encoder, blocks, Tensor(case.z), Tensor(case.mask), relative_positions(case)
    biases, atoms = cpu.diffusion_pairs(*arguments)
    expected_biases, expected_atoms = reference.diffusion_pairs(*arguments)
    assert close(masked_rows(case, atoms), masked_rows(case, expected_atoms))
    assert biases.shape == expected_biases.shape == (case.n_target * 12, case.n, case.n)
    for target, present in enumerate(case.mask.reshape(case.n_target, -1) > 0):
        heads = slice(12 * target, 12 * target + 12)
        found, expected = (x.asnumpy()[heads][:, present][:, :, present] for x in (biases, expected_biases))
        np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("size", SIZES)
def test_token_attention(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    n_sample, n_head, d, n_block = 2, 3, 24, 2
    rows = [Tensor(case.values(n_sample, len(case.mask), n_head * d)) for _ in range(4)]
    bias = case.values(case.n_target, n_block * n_head, case.n, case.n)
    bias += (1 - case.mask.reshape(case.n_target, 1, 1, case.n)) * np.float32(MASKED)
    for block in range(n_block):
        arguments = *rows, Tensor(bias.reshape(-1, case.n, case.n)), Tensor(case.mask), block, n_block
        found, expected = cpu.token_attention(*arguments), reference.token_attention(*arguments)
        present = Tensor(case.mask[None, :, None] * np.ones((n_sample, 1, n_head * d), np.float32))
        assert close(found * present, expected * present)


@pytest.mark.parametrize("shift", [-3e4, -300.0, 80.0, 3e4])
def test_attention_of_scores_beyond_the_range_of_powers(shift: float) -> None:
    """Scores that overflow, underflow or round as they are, for some of the queries: their maximum is subtracted."""
    case = Case(1, 70, 70)
    n_head, d = 2, 32
    rows = [Tensor(case.values(1, 70, n_head * d)) for _ in range(4)]
    bias = case.values(n_head, 70, 70)
    bias[:, 20:50] += np.float32(shift)
    arguments = *rows, Tensor(bias), Tensor(case.mask), 0, 1
    found, expected = cpu.token_attention(*arguments).asnumpy(), reference.token_attention(*arguments).asnumpy()
    assert np.isfinite(found).all()
    # A score of 30,000 is itself rounded to 0.002.
    np.testing.assert_allclose(found, expected, atol=5e-3 if abs(shift) > 1e4 else 1e-4)


def test_triangle_attention_of_large_scores_in_both_types() -> None:
    """Queries and keys whose products exceed the range of powers of two by far."""
    case = Case(1, 70, 70)
    p = attention(case)
    for name in "qk":
        p["mha"][f"linear_{name}.weight"] *= 8

    def arguments(z: Tensor) -> tuple:
        return p, z, Tensor(case.mask)

    assert_same_update("triangle_attention_starting", "float32", case.z, arguments, case.present_pairs(), looser=30)
    found = run(cpu.triangle_attention_ending, "bfloat16", case.z, arguments)
    assert np.isfinite(found).all()


def bf16(x: np.ndarray) -> np.ndarray:
    return Tensor(x).astype(ms.bfloat16).float().asnumpy()


@pytest.mark.parametrize("dtype", [ms.float32, ms.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 64), (3, 37, 48), (2, 65, 130), (700, 6)])
@pytest.mark.parametrize("n_out", [1, 3, 48, 130])
def test_linear_layers_of_rows(shape: tuple[int, ...], n_out: int, dtype: Any) -> None:
    """With bfloat16 weights products of rounded inputs and weights; summed in float32 in either case."""
    case = Case(1, 5, 5)
    x, weight, bias = case.values(*shape), case.values(n_out, shape[-1]), case.values(n_out)
    rounded = bf16 if dtype == ms.bfloat16 else np.asarray
    expected = rounded(x) @ rounded(weight).T
    stored = Tensor(weight).astype(dtype)
    np.testing.assert_allclose(cpu.affine(Tensor(x), stored).asnumpy(), expected, rtol=1e-4, atol=1e-4)
    found = cpu.affine(Tensor(x), stored, Tensor(bias)).asnumpy()
    np.testing.assert_allclose(found, expected + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [ms.float32, ms.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("n_row", [1, 64, 131])
def test_gated_transition_of_rows(n_row: int, dtype: Any) -> None:
    case = Case(1, 5, 5)
    x = Tensor(case.values(n_row, 48))
    weights = case.layer(100, 48), case.layer(100, 48), case.layer(40, 100)
    expected = reference.gated_transition(x, *weights).asnumpy()
    found = cpu.gated_transition(x, *(w.astype(dtype) for w in weights)).asnumpy()
    assert found.shape == (n_row, 40)
    error = np.sqrt(((found - expected) ** 2).mean()) / np.sqrt((expected**2).mean())
    assert error < (1e-2 if dtype == ms.bfloat16 else 1e-6)


@pytest.mark.parametrize("name", PAIR_OPERATORS)
def test_many_targets_are_each_as_if_alone(name: str) -> None:
    """Enough targets that each is left to one thread; all but the first have every token."""
    case = Case(16 * (os.cpu_count() or 1), 9, 7)
    p = PAIR_OPERATORS[name](case)
    assert_same_update(name, "float32", case.z, lambda z: (p, z, Tensor(case.mask)), case.present_pairs())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_scratch_memory_is_kept_between_operators_and_given_back() -> None:
    """Pairs long enough for large blocks: the same numbers from used ones, and nothing left after a stage."""
    case = Case(1, 200, 190)
    for _ in range(2):
        for name in ("triangle_multiplication_outgoing", "triangle_attention_starting", "row_transition"):
            p = PAIR_OPERATORS[name](case)
            mask = Tensor(case.mask)
            assert_same_update(
                name, "float32", case.z, lambda z, p=p, mask=mask: (p, z, mask), case.present_pairs(), looser=2
            )
    kept = resident_bytes()
    cpu.release_memory()
    # 128 channels of products and two operands of 32.
    product = 128 * 190 * 192 * 4
    assert kept - resident_bytes() > product


def test_window_attention() -> None:
    case = Case(1, 5, 5)
    n_sample, n_window, n_head, d = 2, 5, 4, 32
    rows = [Tensor(case.values(n_sample, n_window * 32, n_head * d)) for _ in range(4)]
    keys = np.clip(np.arange(n_window)[:, None] * 32 - 48 + np.arange(128), 0, n_window * 32 - 1).astype(np.int32)
    bias = case.values(n_window, n_head, 32, 128)
    bias[0, :, :, :48] = MASKED
    arguments = *rows, Tensor(keys), Tensor(bias)
    assert close(cpu.window_attention(*arguments), reference.window_attention(*arguments))


def test_norms_and_gates_of_rows() -> None:
    case = Case(1, 5, 5)
    a, x = Tensor(100 * case.values(3, 37, 48)), Tensor(case.values(3, 37, 48))
    scale, shift = Tensor(5 * case.values(37, 48)), Tensor(case.values(37, 48))
    assert close(cpu.adaptive_norm(a, scale, shift), reference.adaptive_norm(a, scale, shift))
    assert close(cpu.gated_sum(a, scale, x), reference.gated_sum(a, scale, x))
    for c in (3, 48, 449):
        wide = Tensor(7 + case.values(5, c))
        for p in (case.norm("n", c), case.norm("n", c, bias=False)):
            assert close(cpu.layer_norm(p, "n", wide), reference.layer_norm(p, "n", wide))


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_instruction_set(name: str, dtype: str) -> None:
    """Every copy of the operators that this CPU can run gives the same numbers."""
    widest = cpu.instruction_set()
    if not cpu.use_instruction_set(name):
        pytest.skip(f"this CPU has no {name}")
    try:
        case = Case(2, 70, 65)
        for operator, parameters in PAIR_OPERATORS.items():
            p = parameters(case)
            mask = Tensor(case.mask)
            assert_same_update(operator, dtype, case.z, lambda z, p=p, mask=mask: (p, z, mask), case.present_pairs())
        test_token_attention((2, 70, 65))
        test_attention_of_scores_beyond_the_range_of_powers(-300.0)
        test_attention_of_scores_beyond_the_range_of_powers(3e4)
        test_linear_layers_of_rows((2, 65, 130), 130, ms.bfloat16)
        test_linear_layers_of_rows((2, 65, 130), 130, ms.float32)
        test_gated_transition_of_rows(131, ms.bfloat16)
        test_outer_product_mean((2, 70, 65), dtype)
        test_pair_weighted_averaging((2, 70, 65), dtype)
        test_norms_and_gates_of_rows()
    finally:
        assert cpu.use_instruction_set(widest)
