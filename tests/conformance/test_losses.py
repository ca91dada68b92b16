# SPDX-License-Identifier: Apache-2.0
"""Losses, their options and sample weights: value and gradient against PyTorch and Keras.

The model is one linear layer whose input is the identity, so that its output is the transpose of
its weights. SGD with rate RATE then moves the weights by RATE times the gradient of the output.
"""

import numpy as np
import pytest
from golden import load, state, unit

CASES = load("losses_pytorch") + load("losses_keras")

# A power of two, so large that the gradient outweighs the weights it is taken from.
RATE = 2.0**14


def bounds(case, y, gradient):
    """How far loss and gradient may be off.

    The frameworks compute in the case's type, normd in double. With u the rounding unit, a
    log-softmax or a sigmoid is off by u (1 + |y|) in a handful of places, the loss of an element
    relatively by as much, and sums of 24 of them by 24 u. Probabilities near 1 lose 1 - p, of which
    both frameworks take the logarithm: relatively u / 1e-7 at the clipped end, so that float32
    losses of probabilities agree to 1e-7 log(p)' = 1, in u: 32 u. A gradient adds the rounding of
    the weights it is taken from.
    """
    u = unit(case)
    size = min(np.abs(y).max(), 100.0)
    loss = 32 * u * max(1.0, abs(case["loss"]))
    largest = max(np.abs(gradient).max(), 2.0**-6)
    return loss, 4 * u * (8 + size) * largest + 2 * u * np.abs(y).max() / RATE


def run(rpc, case, layer, x):
    """Evaluates and trains on a batch; gives the loss and how far the layer's tensors moved."""
    rpc.call("session.create", session="loss", layers=[layer], if_exists="replace",
             optimizer={"type": "sgd", "lr": RATE}, **case["create"])
    weights = {} if case["sample_weight"] is None else {"sample_weight": case["sample_weight"]}
    target = case["target"]
    if target.dtype.kind == "f":
        target = target.astype(case["create"]["dtype"])
    fields = {"session": "loss", "x": x, "target": target, **weights}
    before = state(rpc, "loss")
    evaluated = rpc.call("evaluate", **fields)
    trained = rpc.call("train", **fields)
    assert evaluated["loss"] == trained["loss"]
    after = state(rpc, "loss")
    moved = {name: (before[name] - after[name]).astype(np.float64) / RATE for name in after}
    return trained["loss"], moved


@pytest.mark.parametrize("case", [c for c in CASES if c["y"].ndim == 2], ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_a_loss_and_its_gradient_agree_with_the_framework(rpc, case):
    dtype = case["create"]["dtype"]
    y = case["y"].astype(dtype)
    layer = {"type": "linear", "in": len(y), "out": y.shape[1], "bias": False,
             "weight_init": np.ascontiguousarray(y.T)}
    loss, moved = run(rpc, case, layer, np.eye(len(y), dtype=dtype))
    of_loss, of_gradient = bounds(case, y, case["gradient"])
    assert abs(loss - case["loss"]) <= of_loss
    off = np.abs(moved["0.weight"].T - case["gradient"]).max()
    assert off <= of_gradient, f"gradient off by {off:.3g}, allowed {of_gradient:.3g}"


@pytest.mark.parametrize("case", [c for c in CASES if c["y"].ndim == 3],
                         ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_losses_at_places_agree_with_the_framework(rpc, case):
    axis = 1 if case["create"]["convention"] == "pytorch" else 2
    y = case["y"].astype(case["create"]["dtype"])
    # Mean 0, variance 1 and eps 0 leave x as it is.
    layer = {"type": "batch_norm", "features": y.shape[axis], "eps": 0, "frozen_stats": True}
    loss, moved = run(rpc, case, layer, y)
    of_loss, of_gradient = bounds(case, y, case["gradient"])
    assert abs(loss - case["loss"]) <= of_loss
    others = tuple(a for a in range(3) if a != axis)
    gradient = case["gradient"].astype(np.float64)
    # Sums of 15 gradients, times x for the weight.
    bound = 15 * of_gradient * max(1.0, np.abs(y).max())
    assert np.abs(moved["0.bias"] - gradient.sum(others)).max() <= bound
    assert np.abs(moved["0.weight"] - (gradient * y).sum(others)).max() <= bound
