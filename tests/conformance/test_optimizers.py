# SPDX-License-Identifier: Apache-2.0
"""One hundred steps of every optimizer and option, clipped, accumulated and in groups."""

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("optimizers_pytorch") + load("optimizers_keras")
GIVEN = [case for case in CASES if "dy" in case]
TRAININGS = [case for case in CASES if "batches" in case]


def name_of(case):
    return f"{case['create']['convention']}-{case['name']}"


def betas_of(optimizer):
    """Every beta2 of the options, of groups as well."""
    maps = [optimizer, *optimizer.get("groups", [])]
    pairs = [entry.get("beta_2", entry.get("betas", [0, 0.999])[1]) for entry in maps]
    return max(pairs)


def bound(case, checked, want):
    """What rounding may come to after that many steps.

    In float64 the contract: 1e-12 of the weights' scale. In float32 each step rounds the weight
    once on both sides, and the step itself is off by some units of its own length: twenty for the
    operations of one step, and one for each of the roundings of up to three averages at every step
    before. Keras computes 1 - beta^t in float32, which loses 2 / (1 - beta2) units of it at the
    first step. A step's length is counted as that of the fastest parameter, since averages cancel.
    """
    scale = max(1.0, np.abs(want).max())
    if case["create"]["dtype"] == "float64":
        return 1e-12 * scale
    steps = checked["batch"]
    units = 3 * steps + 20
    if case["create"]["convention"] == "keras":
        units += 2 / (1 - betas_of(case["create"]["optimizer"]))
    return unit(case) * (2 * steps * scale + units * checked["travel"])


@pytest.mark.parametrize("case", GIVEN, ids=name_of)
def test_one_hundred_steps_with_given_gradients(rpc, case):
    session = create(rpc, case)
    checked = {entry["batch"]: entry for entry in case["checked"]}
    dtype = case["create"]["dtype"]
    x = np.array([[0.5]], dtype)
    dy = (case["dy"] / case["grid"]).astype(dtype)
    for batch, row in enumerate(dy, start=1):
        step = rpc.call("forward", session=session, x=x)["step"]
        rpc.call("backward", session=session, step=step, dy=row[None, :])
        if batch not in checked:
            continue
        got = state(rpc, session)
        for name in ("weight", "bias"):
            want = checked[batch][name]
            assert_close(
                got[f"0.{name}"], want, bound(case, checked[batch], want), f"{name} after {batch}")


@pytest.mark.parametrize("case", TRAININGS, ids=name_of)
def test_groups_by_role_layer_and_name_train_as_in_pytorch(rpc, case):
    # Differences of rounding grow along a training; these bounds are those of test_training.py.
    session, dtype = create(rpc, case), case["create"]["dtype"]
    batches = case["batches"]
    x = (batches["x"] / batches["grid"]).astype(dtype)
    target = batches["target"].astype(np.int64)
    for number, (rows, labels, want) in enumerate(zip(x, target, case["loss"])):
        answer = rpc.call("train", session=session, x=rows, target=labels)
        relative = abs(answer["loss"] - want) / abs(want)
        assert relative < {"float32": 1e-5, "float64": 1e-12}[dtype], f"step {number}"
    got = state(rpc, session)
    for name, want in case["state"].items():
        scale = max(1.0, np.abs(want).max())
        allowed = {"float32": 2e-5, "float64": 1e-12}[dtype] * scale
        assert_close(got[name], want, allowed, name)
