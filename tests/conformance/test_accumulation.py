# SPDX-License-Identifier: Apache-2.0
"""Schedules and constraints under gradient accumulation, against Keras."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

CASES = load("accumulation_keras")

# As in test_penalties.py, for at most ten steps as well.
LOSS = {"float32": 1e-5, "float64": 1e-12}
STATE = {"float32": 5e-5, "float64": 1e-12}
# Of a rate, relative to the largest: as in test_schedules.py.
RATE = {"float32": 4 * 2.0**-24, "float64": 1e-12}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_twenty_batches_agree_with_keras(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    every = case["create"]["optimizer"]["gradient_accumulation_steps"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels, want) in enumerate(zip(x, target, case["loss"])):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        relative = abs(answer["loss"] - want) / abs(want)
        assert relative < LOSS[dtype], f"batch {number}: loss off by {relative:.3g}"
        # Every batch is told the rate of the step that it goes into.
        step = number - number % every + every - 1
        if step < len(x):
            off = abs(answer["lr"] - case["lr"][step])
            assert off <= RATE[dtype] * case["lr"].max(), f"batch {number}: rate {answer['lr']}"
    evaluated = rpc.call("evaluate", session=session, x=x[0], target=target[0])
    assert abs(evaluated["loss"] - case["eval_loss"]) < 10 * LOSS[dtype] * case["eval_loss"]
    got = state(rpc, session)
    for name, want in case["state"].items():
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)
