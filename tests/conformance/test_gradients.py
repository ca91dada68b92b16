# SPDX-License-Identifier: Apache-2.0
"""Gradients of linear, relu, cross-entropy and mean squared error against PyTorch.

The optimizer is SGD with rate 1: a parameter moves by its gradient.
"""

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("gradients_pytorch")

# The longest sum in these models has 16 terms (rows of a batch), of numbers around 1; two layers
# and a batch norm stand one after another. A sum of k terms is off by at most k u times the sum of
# their sizes.
TERMS = 16


def bound(case, want):
    return 4 * TERMS * unit(case) * max(1.0, np.abs(want).max())


def assert_state(rpc, case, session, want, factor=1):
    got = state(rpc, session)
    for name, values in want.items():
        assert_close(got[name], values, factor * bound(case, values), name)


@pytest.mark.parametrize("case", [c for c in CASES if "loss" not in c["create"]],
                         ids=lambda c: c["name"])
def test_a_layers_output_and_gradients_agree(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    (step,) = case["steps"]
    forward = rpc.call("forward", session=session, x=step["x"].astype(dtype))
    assert_close(forward["y"], step["y"], bound(case, step["y"]), "y")
    dy = step["dy"].astype(dtype)
    backward = rpc.call("backward", session=session, step=forward["step"], dy=dy)
    assert_close(backward["dx"], step["dx"], bound(case, step["dx"]), "dx")
    assert_state(rpc, case, session, step["state"])


@pytest.mark.parametrize("case", [c for c in CASES if "loss" in c["create"]],
                         ids=lambda c: c["name"])
def test_a_models_loss_and_gradients_agree(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    for number, step in enumerate(case["steps"]):
        target = step["target"]
        if target.dtype.kind == "f":
            target = target.astype(dtype)
        answer = rpc.call("train", session=session, x=step["x"].astype(dtype), target=target)
        relative = abs(answer["loss"] - step["loss"]) / step["loss"]
        # Each step starts from what the one before it left, and rate 1 amplifies.
        factor = 8.0**number
        assert relative <= factor * 4 * TERMS * unit(case), f"loss of step {number}: {relative:.3g}"
        assert_state(rpc, case, session, step["state"], 4 * factor)
