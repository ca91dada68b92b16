# SPDX-License-Identifier: Apache-2.0
"""Averages of the weights against torch.optim.swa_utils and Keras' use_ema."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

PYTORCH = load("averaging_pytorch")
CASES = PYTORCH + load("averaging_keras")

# The bounds of test_training.py, also for averages: they are sums of the parameters with weights
# that add up to 1, and one rounding a step that later ones shrink.
LOSS = {"float32": 1e-5, "float64": 1e-12}
STATE = {"float32": 2e-4, "float64": 1e-11}


def train(rpc, case):
    """All batches of the case; gives the session's name and the batches."""
    session, dtype = create(rpc, case), case["create"]["dtype"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels) in enumerate(zip(x, target)):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        relative = abs(answer["loss"] - case["loss"][number]) / abs(case["loss"][number])
        assert relative < LOSS[dtype], f"step {number}: loss off by {relative:.3g}"
    return session, x


def compare(got, wanted, dtype):
    for name, want in wanted.items():
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_weights_and_their_average_agree_with_the_framework(rpc, case):
    session, _ = train(rpc, case)
    dtype, got = case["create"]["dtype"], state(rpc, session)
    compare(got, case["state"], dtype)
    averages = {f"optimizer.{name}.average": want for name, want in case["average"].items()}
    compare(got, averages, dtype)
    assert got["optimizer.n_averaged"] == case["averaged"]
    rpc.call(
        "session.copy", session=session, to="averaged", weights="average", if_exists="replace")
    compare(state(rpc, "averaged"), case["average"], dtype)
    np.testing.assert_equal(state(rpc, session), got)


@pytest.mark.parametrize("case", PYTORCH, ids=lambda c: c["name"])
def test_a_recalibrated_average_infers_as_after_update_bn(rpc, case):
    session, x = train(rpc, case)
    rpc.call(
        "session.copy", session=session, to="averaged", weights="average", if_exists="replace")
    for number, rows in enumerate(x[:10]):
        rpc.call(
            "stats.recalibrate", session="averaged", x=rows, mode="mean_of_variances",
            finish=number == 9)
    y = rpc.call("infer", session="averaged", x=x[0])["y"]
    want = case["recalibrated_y"]
    assert_close(y, want, 10 * STATE[case["create"]["dtype"]] * np.abs(want).max(), "y")
