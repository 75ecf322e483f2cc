"""The fused CPU operators on pairs and MSA rows against the reference operators, on random parameters and values."""

import numpy as np
import pytest
from mindspore import Tensor

from pfold.kernels import reference
from tests.kernels.fused import cpu
from tests.kernels.operator_cases import (
    C_HIDDEN,
    C_M,
    C_Z,
    DTYPES,
    PAIR_OPERATORS,
    SIZES,
    Case,
    as_dtype,
    assert_same_update,
    attention,
    close,
    run,
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAIR_OPERATORS)
def test_pair_operators(name: str, size: tuple[int, int, int], dtype: str) -> None:
    case = Case(*size)
    p = PAIR_OPERATORS[name](case)
    assert_same_update(getattr(cpu, name), dtype, case.z, lambda z: (p, z, Tensor(case.mask)), case.present_pairs())


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
    p = case.outer_product_mean(C_Z, C_M, C_HIDDEN)
    m = as_dtype(case.m, dtype)

    def arguments(z: Tensor) -> tuple:
        return p, z, Tensor(case.mask), m.astype(z.dtype), Tensor(case.msa_mask)

    assert_same_update(cpu.outer_product_mean, dtype, case.z, arguments, case.present_pairs())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_pair_weighted_averaging(size: tuple[int, int, int], dtype: str) -> None:
    case = Case(*size)
    p = case.pair_weighted_averaging(C_Z, C_M, 8, 8)
    z = as_dtype(case.z, dtype)

    def arguments(m: Tensor) -> tuple:
        return p, z.astype(m.dtype), Tensor(case.mask), m, Tensor(case.msa_mask)

    columns = np.repeat(case.mask.reshape(case.n_target, -1), len(case.msa_mask) // case.n_target, axis=0)
    present = (case.msa_mask[:, None] * columns) > 0
    assert_same_update(cpu.pair_weighted_averaging, dtype, case.m, arguments, present)


@pytest.mark.parametrize("size", SIZES)
def test_pair_bias(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    arguments = case.pair_bias(C_Z, 6, bias=False), Tensor(case.z), Tensor(case.mask)
    found, expected = cpu.pair_bias(*arguments)[0].asnumpy(), reference.pair_bias(*arguments)[0].asnumpy()
    assert found.shape == expected.shape == (6 * case.n_target, case.n, case.n)
    present = case.mask.reshape(case.n_target, -1)
    for target in range(case.n_target):
        heads = slice(6 * target, 6 * target + 6)
        keys, rows = present[target] > 0, present[target] > 0
        np.testing.assert_allclose(found[heads][:, rows][:, :, keys], expected[heads][:, rows][:, :, keys], atol=2e-5)
        assert (found[heads][:, :, ~keys] < -1e8).all()


@pytest.mark.parametrize("size", SIZES)
def test_pair_embedding(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p = case.pair_embedding(C_Z)
    rest = (
        case.relative_positions(case.n_target, case.n),
        Tensor(case.values(len(case.mask), C_Z)),
        Tensor(case.values(len(case.mask), C_Z)),
    )
    assert_same_update(
        cpu.pair_embedding, "float32", case.z, lambda z: (p, z, Tensor(case.mask), *rest), case.present_pairs()
    )


@pytest.mark.parametrize("size", SIZES)
def test_pair_logits(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p = case.logits(C_Z, 50)
    for name, norm in (("pair_logits", "norm"), ("symmetric_pair_logits", "norm"), ("symmetric_pair_logits", "")):
        rows = np.arange(len(case.z), dtype=np.int32)
        arguments = p, norm, "layer", Tensor(case.z), Tensor(case.mask)
        found, expected = (getattr(backend, name)(*arguments, Tensor(rows)) for backend in (cpu, reference))
        assert close(case.masked(found), case.masked(expected))
        # The last rows of each target, which may be padding, and a row twice.
        some = np.concatenate([rows[len(rows) // 2 :], rows[-1:]])
        np.testing.assert_array_equal(getattr(cpu, name)(*arguments, Tensor(some)).asnumpy(), found.asnumpy()[some])


@pytest.mark.parametrize("size", SIZES)
def test_confidence_pairs(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    # Overlapping bins, as made-up weights have.
    p = case.distances(C_Z, np.linspace(0.5, 4, 12).astype(np.float32), overlap=0.5)
    rows = [Tensor(case.values(len(case.mask), c)) for c in (C_Z, C_Z, 3)]
    z = Tensor(case.z.copy())
    found = cpu.confidence_pairs(p, z, Tensor(case.mask), *rows)
    expected = reference.confidence_pairs(p, Tensor(case.z), Tensor(case.mask), *rows)
    assert close(case.masked(found), case.masked(expected))
    np.testing.assert_array_equal(z.asnumpy(), case.z)


@pytest.mark.parametrize("size", SIZES)
def test_diffusion_pairs(size: tuple[int, int, int]) -> None:
    case = Case(*size)
    p, encoder, blocks = case.diffusion_pairs(C_Z, 16, 4, 3)
    arguments = p, encoder, blocks, Tensor(case.z), Tensor(case.mask), case.relative_positions(case.n_target, case.n)
    biases, atoms = cpu.diffusion_pairs(*arguments)
    expected_biases, expected_atoms = reference.diffusion_pairs(*arguments)
    assert close(case.masked(atoms), case.masked(expected_atoms))
    assert biases.shape == expected_biases.shape == (case.n_target * 12, case.n, case.n)
    for target, present in enumerate(case.mask.reshape(case.n_target, -1) > 0):
        heads = slice(12 * target, 12 * target + 12)
        found, expected = (x.asnumpy()[heads][:, present][:, :, present] for x in (biases, expected_biases))
        np.testing.assert_allclose(found, expected, atol=5e-5)


def test_triangle_attention_of_large_scores_in_both_types() -> None:
    """Queries and keys whose products exceed the range of powers of two by far."""
    case = Case(1, 70, 70)
    p = attention(case)
    for name in "qk":
        p["mha"][f"linear_{name}.weight"] *= 8

    def arguments(z: Tensor) -> tuple:
        return p, z, Tensor(case.mask)

    assert_same_update(cpu.triangle_attention_starting, "float32", case.z, arguments, case.present_pairs(), looser=30)
    found = run(cpu.triangle_attention_ending, "bfloat16", case.z, arguments)
    assert np.isfinite(found).all()
