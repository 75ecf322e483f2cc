"""The library of fused operators: its instruction sets, scratch memory, threads, and what it declares."""

import os
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from pfold.errors import OperatorError
from pfold.kernels.build import INSTRUCTION_SETS
from tests.kernels import test_pair_operators, test_row_operators
from tests.kernels.fused import cpu, library
from tests.kernels.operator_cases import (
    C_Z,
    DTYPES,
    PAIR_OPERATORS,
    Case,
    assert_same_update,
)


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
                getattr(cpu, name),
                "float32",
                case.z,
                lambda z, p=p, mask=mask: (p, z, mask),
                case.present_pairs(),
                looser=2,
            )
    kept = resident_bytes()
    cpu.release_memory()
    # 128 channels of products and two operands of 32.
    product = 128 * 190 * 192 * 4
    assert kept - resident_bytes() > product


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_instruction_set(name: str, dtype: str) -> None:
    """Every copy of the operators that this CPU can run gives the same numbers."""
    widest = library.instruction_set()
    if not library.use_instruction_set(name):
        pytest.skip(f"this CPU has no {name}")
    try:
        case = Case(2, 70, 65)
        for operator, parameters in PAIR_OPERATORS.items():
            p = parameters(case)
            mask = Tensor(case.mask)
            assert_same_update(
                getattr(cpu, operator), dtype, case.z, lambda z, p=p, mask=mask: (p, z, mask), case.present_pairs()
            )
        test_row_operators.test_token_attention((2, 70, 65))
        test_row_operators.test_attention_of_scores_beyond_the_range_of_powers(-300.0)
        test_row_operators.test_attention_of_scores_beyond_the_range_of_powers(3e4)
        test_row_operators.test_linear_layers_of_rows((2, 65, 130), 130, ms.bfloat16)
        test_row_operators.test_linear_layers_of_rows((2, 65, 130), 130, ms.float32)
        test_row_operators.test_gated_transition_of_rows(131, ms.bfloat16)
        test_pair_operators.test_outer_product_mean((2, 70, 65), dtype)
        test_pair_operators.test_pair_weighted_averaging((2, 70, 65), dtype)
        test_row_operators.test_norms_and_gates_of_rows()
    finally:
        assert library.use_instruction_set(widest)


@pytest.mark.parametrize("name", PAIR_OPERATORS)
def test_many_targets_are_each_as_if_alone(name: str) -> None:
    """Enough targets that each is left to one thread; all but the first have every token."""
    case = Case(16 * (os.cpu_count() or 1), 9, 7)
    p = PAIR_OPERATORS[name](case)
    assert_same_update(getattr(cpu, name), "float32", case.z, lambda z: (p, z, Tensor(case.mask)), case.present_pairs())


def test_every_declaration_is_passed_by_name_and_another_is_refused() -> None:
    """Inputs and weights by their names in operators.h; what differs is an error when the library is loaded."""
    assert library.declaration("PairBias") == [["z", "mask"], ["PairBias"]]
    assert library.declaration("PairBiasWeights") == [["norm", "weight"], ["norm_bias"]]
    with pytest.raises(OperatorError, match=r"operator PairBias takes .*'mask'.* but is to be passed \['mask', 'z'\]"):
        library.in_place("PairBias", "mask z", "PairBias")
    with pytest.raises(OperatorError, match="weights of PairBias: norm, offset named on one side only"):
        library.entries("PairBias", weight="w", norm_bias="b", offset="n")
    with pytest.raises(OperatorError, match=r"\.so has no Nothing"):
        library.declaration("Nothing")


def test_a_weight_that_is_required_and_absent_is_an_error() -> None:
    case = Case(1, 5, 5)
    p = case.pair_bias(C_Z, 4)
    del p["linear_nobias_z.weight"]
    with pytest.raises(KeyError, match=r"linear_nobias_z\.weight"):
        cpu.pair_bias(p, Tensor(case.z), Tensor(case.mask))


def test_a_bias_of_one_output_is_not_taken_for_an_absent_one() -> None:
    case = Case(1, 5, 5)
    x, weight = case.tensor(3, 48), case.layer(1, 48)
    found = cpu.affine(x, weight, Tensor(np.float32([7.0]))).asnumpy()
    np.testing.assert_allclose(found - cpu.affine(x, weight).asnumpy(), 7.0, atol=1e-5)
