"""A fold that goes wrong says in which stage its numbers ceased to be finite."""

import numpy as np
import pytest

from pfold.errors import NOT_FINITE, NotFiniteError
from pfold.features.featurize import featurize
from pfold.inference.model import Model
from pfold.inference.params import place_params
from pfold.run.failures import classify
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import Target
from pfold.weights.untrained import untrained_weights
from tests.inference.fold_cases import small

SETTINGS = small("protenix_tiny_default_v0.5.0")


@pytest.fixture(scope="module")
def weights():
    return untrained_weights(SETTINGS)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("pairformer_stack.blocks.0.tri_mul_out.linear_z.weight", "the trunk, recycling cycle 1"),
        ("linear_no_bias_s.weight", "the trunk, recycling cycle 1"),
        ("diffusion_module.layernorm_a.weight", "the diffusion module, step 1"),
        ("distogram_head.linear.weight", "the distogram head"),
        ("confidence_head.linear_no_bias_pae.weight", r"the confidence head \(PAE\)"),
        ("confidence_head.linear_no_bias_pde.weight", r"the confidence head \(PDE\)"),
        ("confidence_head.plddt_weight", r"the confidence head \(pLDDT\)"),
    ],
)
def test_the_stage_is_named(weights, name, stage):
    assert name in weights
    broken = weights | {name: np.full_like(weights[name], np.nan)}
    model = Model(SETTINGS, place_params(SETTINGS, broken, "float32"))
    features = featurize(Target("t", merge_chains(["MKTAYIAK"])))
    with pytest.raises(NotFiniteError, match=f"{stage} gave numbers that are not finite") as raised:
        model.predict(features, noise=1, n_cycle=2, n_step=1, n_sample=1)
    assert classify(raised.value) == (NOT_FINITE, False)
