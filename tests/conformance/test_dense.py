# SPDX-License-Identifier: Apache-2.0
"""Softmax, and linear on x of any rank, against PyTorch and Keras; classifiers of probabilities."""

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("dense")

# An exponential's argument is rounded by a unit of itself, here at most some 16; the sum of k terms
# of order 1 is off by k units more.
ROUNDINGS = 16


def bound(case, want):
    return ROUNDINGS * case["terms"] * unit(case) * max(1.0, np.abs(want).max(initial=0.0))


@pytest.mark.parametrize("case", [c for c in CASES if "loss" not in c], ids=lambda c: c["name"])
def test_output_and_gradients_agree_with_the_framework(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    x, dy = case["x"].astype(dtype), case["dy"].astype(dtype)
    forward = rpc.call("forward", session=session, x=x)
    assert_close(forward["y"], case["y"], bound(case, case["y"]), "y")
    assert rpc.call("infer", session=session, x=x)["y"].tobytes() == forward["y"].tobytes()
    backward = rpc.call("backward", session=session, step=forward["step"], dy=dy)
    assert_close(backward["dx"], case["dx"], bound(case, case["dx"]), "dx")
    got = state(rpc, session)
    assert sorted(got) == sorted(case["state"])
    for part, want in case["state"].items():
        assert_close(got[part], want, bound(case, want), part)


@pytest.mark.parametrize("case", [c for c in CASES if "loss" in c], ids=lambda c: c["name"])
def test_the_loss_curve_of_a_classifier_with_a_softmax_is_keras(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    classes = case["create"]["layers"][2]["units"]
    # Rounding of probabilities and weights of order 1, grown through twenty steps of rate 0.1.
    allowed = 400 * unit(case)
    for number, (x, target, want) in enumerate(zip(case["x"], case["target"], case["loss"])):
        target = target.astype(np.int64)
        if case["create"]["loss"] == "categorical_crossentropy":
            target = np.eye(classes, dtype=dtype)[target]
        x = (x / case["grid"]).astype(dtype)
        loss = rpc.call("train", session=session, x=x, target=target)["loss"]
        relative = abs(loss - want) / want
        assert relative < allowed, f"step {number}: loss off by {relative:.3g}"
    assert case["loss"][-1] < case["loss"][0]
