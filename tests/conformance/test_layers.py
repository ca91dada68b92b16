# SPDX-License-Identifier: Apache-2.0
"""Every layer forward and backward against PyTorch and Keras, and a small convolutional network."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("layers_pytorch") + load("layers_keras")
NETWORKS = load("networks")
DIGITS = Path(__file__).resolve().parents[2] / "clients" / "data" / "digits.csv.gz"

# Functions of the C library are within 1 or 2 ulp, and the frameworks' own are no better; a formula
# has a handful of roundings. Where a function loses digits (PyTorch's 1 + erf(x)), it loses them
# against numbers of order 1, as the inputs are. A sum of k terms of order 1 is off by k units more.
ROUNDINGS = 8


def bound(case, want):
    return ROUNDINGS * case["terms"] * unit(case) * max(1.0, np.abs(want).max(initial=0.0))


def name_of(case):
    return f"{case['create']['convention']}-{case['name']}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_layers_output_and_gradients_agree_with_the_framework(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    x, dy = case["x"].astype(dtype), case["dy"].astype(dtype)
    forward = rpc.call("forward", session=session, x=x)
    assert_close(forward["y"], case["y"], bound(case, case["y"]), "y")
    if "dropout" not in case["name"]:
        inferred = rpc.call("infer", session=session, x=x)
        assert inferred["y"].tobytes() == forward["y"].tobytes()
    backward = rpc.call("backward", session=session, step=forward["step"], dy=dy)
    assert_close(backward["dx"], case["dx"], bound(case, case["dx"]), "dx")
    got = state(rpc, session)
    got.pop("0.draws", None)
    assert sorted(got) == sorted(case["state"])
    for part, want in case["state"].items():
        assert_close(got[part], want, bound(case, want), part)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_what_a_session_says_of_itself_makes_the_same_session(rpc, case):
    session = create(rpc, case)
    for convention in ("pytorch", "keras"):
        said = rpc.call("session.describe", session=session, convention=convention)["layers"]
        for layer in said:
            for key in list(layer):
                if layer[key] == {"name": "array"}:
                    del layer[key]
        options = {**case["create"], "layers": said}
        again = rpc.call(
            "session.create", session="again", if_exists="replace", **options)["layers"]
        described = rpc.call("session.describe", session="again", convention=convention)["layers"]
        for one, other in zip(said, described):
            assert {**other, **one} == other, again


def network_batches(case, dtype):
    """The images in the layout of the case's convention, the labels, and each batch's rows."""
    with gzip.open(DIGITS, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    images = (table[:, :64].reshape(-1, 8, 8) / 16).astype(dtype)
    images = images[:, None] if case["create"]["convention"] == "pytorch" else images[..., None]
    return images, table[:, 64].astype(np.int64), case["batches"].astype(np.int64)


@pytest.mark.parametrize("case", NETWORKS, ids=name_of)
def test_a_small_convolutional_networks_loss_curve_is_the_frameworks(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    images, labels, order = network_batches(case, dtype)
    # What rounding does to a loss grows from step to step, through a hundred of them by some 100.
    allowed = {"float32": 1e-4, "float64": 1e-12}[dtype]
    for number, (rows, want) in enumerate(zip(order, case["loss"])):
        answer = rpc.call("train", session=session, x=images[rows], target=labels[rows])
        relative = abs(answer["loss"] - want) / want
        assert relative < allowed, f"step {number}: loss off by {relative:.3g}"
    assert case["loss"][-1] < 0.7 * case["loss"][0]
    answer = rpc.call("evaluate", session=session, x=images[::5], target=labels[::5])
    assert abs(answer["accuracy"] - case["test_accuracy"]) <= 0.005
