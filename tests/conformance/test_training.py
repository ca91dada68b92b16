# SPDX-License-Identifier: Apache-2.0
"""One hundred optimizer steps of linear, batch norm, relu, linear, cross-entropy."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

CASES = load("training_pytorch") + load("training_keras")

# Relative difference of the loss at every step.
LOSS = {"float32": 1e-5, "float64": 1e-12}
# Of a parameter, relative to the largest of its tensor. Adam divides by the root of the squared
# gradient: where a gradient is small, its rounding error counts in full.
STATE = {"float32": 2e-4, "float64": 1e-11}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_one_hundred_steps_agree_with_the_framework(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels, want) in enumerate(zip(x, target, case["loss"])):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        relative = abs(answer["loss"] - want) / abs(want)
        assert relative < LOSS[dtype], f"step {number}: loss off by {relative:.3g}"
        if "accuracy" in case:
            # A row whose two best logits are equal but for rounding may go either way.
            assert abs(answer["accuracy"] - case["accuracy"][number]) <= 1.01 / len(labels)
    assert answer["steps"] == len(x) and answer["version"] == len(x)
    evaluated = rpc.call("evaluate", session=session, x=x[0], target=target[0])
    assert abs(evaluated["loss"] - case["eval_loss"]) < 10 * LOSS[dtype] * case["eval_loss"]
    got = state(rpc, session)
    for name, want in case["state"].items():
        if case["bias_before_norm"] and name in ("0.bias", "1.running_mean"):
            # Batch norm takes this bias out again: its gradient is rounding noise alone, which
            # Adam makes steps of; the running mean follows it.
            continue
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)
