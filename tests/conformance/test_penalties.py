# SPDX-License-Identifier: Apache-2.0
"""Regularizers and constraints over ten training steps, against Keras."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

CASES = load("penalties_keras")

# A step rounds each parameter a few times, and the frameworks sum norms and penalties in the type
# where normd sums in double: some ten units of the type, which the nine steps behind it amplify.
# Adam divides by the root of the squared gradient: where a gradient is small, its rounding error
# counts in full.
LOSS = {"float32": 1e-5, "float64": 1e-12}
STATE = {"float32": 5e-5, "float64": 1e-12}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_ten_steps_agree_with_keras(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels, want) in enumerate(zip(x, target, case["loss"])):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        relative = abs(answer["loss"] - want) / abs(want)
        assert relative < LOSS[dtype], f"step {number}: loss off by {relative:.3g}"
    evaluated = rpc.call("evaluate", session=session, x=x[0], target=target[0])
    assert abs(evaluated["loss"] - case["eval_loss"]) < 10 * LOSS[dtype] * case["eval_loss"]
    got = state(rpc, session)
    for name, want in case["state"].items():
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)


@pytest.mark.parametrize("case", CASES[::2], ids=lambda c: c["name"])
def test_forward_and_backward_take_the_same_step(rpc, case):
    """The penalty's gradient is added when the optimizer applies, once."""
    create(rpc, case)
    options = {key: value for key, value in case["create"].items() if key != "loss"}
    for name in ("apart", "accumulated"):
        rpc.call("session.create", session=name, if_exists="replace", **options)
    random = np.random.default_rng(8)
    x = random.normal(size=(16, 6)).astype(np.float32)
    dy = random.normal(size=(16, 3)).astype(np.float32)
    step = rpc.call("forward", session="apart", x=x)["step"]
    rpc.call("backward", session="apart", step=step, dy=dy)
    step = rpc.call("forward", session="accumulated", x=x)["step"]
    rpc.call("backward", session="accumulated", step=step, dy=dy, apply=False)
    rpc.call("step", session="accumulated")
    want, got = state(rpc, "apart"), state(rpc, "accumulated")
    for name, values in want.items():
        assert np.array_equal(values, got[name]), name


@pytest.mark.parametrize("case", CASES[::2], ids=lambda c: c["name"])
def test_an_export_keeps_regularizers_and_constraints(rpc, case):
    session = create(rpc, case)
    data = rpc.call("session.export", session=session, format="safetensors")["data"]
    rpc.call("session.delete", session=session)
    rpc.call("session.import", session=session, format="safetensors", data=data)
    told = rpc.call("session.describe", session=session)["layers"]
    for before, after in zip(case["create"]["layers"], told):
        for key, value in before.items():
            if key.endswith(("_regularizer", "_constraint")):
                wanted = value if isinstance(value, dict) else {"name": value}
                assert wanted.items() <= after[key].items()
