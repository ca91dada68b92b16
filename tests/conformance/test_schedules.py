# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules against PyTorch's chained steps and Keras' functions."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

RATES = load("schedules_rates")
TRAININGS = load("schedules_pytorch") + load("schedules_keras")

# PyTorch multiplies from tick to tick. Each product rounds, and the factors of a cosine that has
# nearly come down are quotients of differences, which lose a factor of up to 2 (T_max/pi)^2 of
# 2^-53: below 4e-13 for the T_max of 130 here. Most agree to the last digits.
RELATIVE = 1e-12

# Of the loss of a step, relative; and of a parameter, relative to the largest of its tensor: the
# bounds of test_training.py.
LOSS = {"float32": 1e-5, "float64": 1e-12}
STATE = {"float32": 2e-4, "float64": 1e-11}
# Of a rate, relative to the largest: Keras computes its schedules in the session's type, where the
# end of a cosine is a small difference of large numbers; PyTorch always in double.
RATE = {"float32": 4 * 2.0**-24, "float64": 1e-12}


def close(got: float, want: float) -> bool:
    return abs(got - want) <= RELATIVE * abs(want)


@pytest.mark.parametrize("case", RATES, ids=lambda c: c["name"])
def test_the_rates_of_every_tick_are_the_frameworks(rpc, case):
    session, (base, norm_base) = case["name"], case["bases"]
    rpc.call(
        "session.create", session=session, if_exists="replace", dtype="float64",
        layers=[{"type": "linear", "out": 1}, {"type": "batch_norm"}], input=1, loss="mse",
        convention=case["convention"],
        optimizer={
            "type": "sgd", "lr": base, "weight_lr": norm_base, "momentum": 0.9,
            "schedule": case["schedule"],
        },
    )
    still = np.zeros((2, 1))
    for tick, (rates, momentum) in enumerate(zip(case["rates"], case["momenta"])):
        shown = rpc.call("session.describe", session=session)["rates"]
        assert close(shown["lr"], rates[0]), f"tick {tick}: {shown['lr']}, expected {rates[0]}"
        assert close(shown["weight_lr"], rates[1]), f"tick {tick}: {shown['weight_lr']}"
        assert close(shown["bias_lr"], rates[0])
        assert close(shown.get("momentum", 0.9), momentum)
        answer = rpc.call("train", session=session, x=still, target=still)
        assert answer["lr"] == shown["lr"]
        if "metrics" in case:
            rpc.call("optimizer.set", session=session, metric=float(case["metrics"][tick]))


@pytest.mark.parametrize("case", TRAININGS, ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_one_hundred_steps_with_a_schedule_agree_with_the_framework(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels) in enumerate(zip(x, target)):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        lr, loss = case["lr"][number], case["loss"][number]
        assert abs(answer["lr"] - lr) <= RATE[dtype] * case["lr"].max(), f"step {number}: rate {answer['lr']}"
        relative = abs(answer["loss"] - loss) / abs(loss)
        assert relative < LOSS[dtype], f"step {number}: loss off by {relative:.3g}"
    got = state(rpc, session)
    for name, want in case["state"].items():
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)
