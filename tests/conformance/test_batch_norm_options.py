# SPDX-License-Identifier: Apache-2.0
"""Every option of batch norm against PyTorch and Keras, x of 2 to 5 axes, ten steps each.
"""

import numpy as np
import pytest
from golden import create, load, state
from harness.rpc import RpcError
from norm_run import Run

FILES = [f"batch_norm_options_{framework}_{rank}"
         for framework in ("pytorch", "keras") for rank in (2, 3, 4, 5)]
CASES = [case for file in FILES for case in load(file)]
REFUSED = load("batch_norm_options_refused")
VECTORS = sum(len(case[part]) for case in CASES for part in ("y", "dx")) + sum(
    len(values) for case in CASES for values in case["state"].values()) + len(CASES)


def identity(case):
    return f"{case['create'].get('convention', 'pytorch')}-{case['name']}"


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_every_option_agrees_with_the_framework(rpc, case):
    Run(rpc, case).whole()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_one_value_a_channel_is_refused_where_pytorch_refuses_it(rpc, case):
    session = create(rpc, case)
    shape = (1, *case["create"]["input"])
    assert case["message"].startswith("Expected more than 1 value per channel when training")
    with pytest.raises(RpcError, match="^BAD_SHAPE x: expected more than 1 value per channel"):
        rpc.call("forward" if case["train"] else "infer", session=session,
                 x=np.zeros(shape, np.float32))


@pytest.mark.parametrize("framework", ["pytorch", "keras"])
def test_one_value_a_channel_is_zero_where_it_is_allowed(rpc, framework):
    """Variance 0 and y = beta, as Keras has it; the running variance takes 0."""
    rpc.call("session.create", session="single", if_exists="replace", convention=framework,
             layers=[{"type": "batch_norm", "features": 3, "on_single_value": "allow",
                      "momentum": 0.5, "bias_init": [1.0, 2.0, 3.0]}])
    answer = rpc.call("forward", session="single", x=np.float32([[5, 6, 7]]))
    np.testing.assert_array_equal(answer["y"], np.float32([[1, 2, 3]]))
    tensors = state(rpc, "single")
    np.testing.assert_array_equal(tensors["0.running_mean"], np.float32([2.5, 3, 3.5]))
    np.testing.assert_array_equal(tensors["0.running_var"], np.float32([0.5, 0.5, 0.5]))


def test_there_are_as_many_vectors_as_the_documents_say():
    """A guard against a file that lost its cases."""
    print(f"{len(CASES) + len(REFUSED)} cases, {VECTORS} vectors")
    assert len(CASES) >= 300 and VECTORS >= 15000
