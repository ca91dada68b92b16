# SPDX-License-Identifier: Apache-2.0
"""Batch norm in training and eval mode, its gradients and its state, against the frameworks."""

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("batch_norm_pytorch") + load("batch_norm_keras")


class Bounds:
    """How far two ways to compute the same in the same type may be apart, for one batch.

    With u the rounding unit, s = 1/sqrt(var + eps), n values a channel:
    - The frameworks compute the mean in the batch's type or keep it in it, so that x - mean is off
      by a few u max|x|; Keras takes the variance as E[x^2] - E[x]^2, off by u max(x^2), which
      changes s by s^3 u max(x^2) / 2. Both are of order u r s max|x| with r = 1 + (s max|x|)^2.
    - y = (x - mean) s gamma + beta inherits that times gamma.
    - dx = gamma s (dy - mean(dy) - xhat mean(dy xhat)): |xhat| <= s * spread, so each of the three
      terms is at most gamma s max|dy| (1 + |xhat|^2), each off relatively by the error of xhat.
    - The parameters' gradients are sums of n terms max|dy| max|xhat|.
    The factor 16 covers the handful of roundings of each formula.
    """

    def __init__(self, case, step):
        x, dy = np.abs(step["x"]).max(), np.abs(step["dy"]).max()
        axis = case["create"]["layers"][0].get("axis", 1 if is_pytorch(case) else -1)
        others = tuple(i for i in range(step["x"].ndim) if i != axis % step["x"].ndim)
        layer = case["create"]["layers"][0]
        eps = layer.get("eps", layer.get("epsilon", 1e-5 if is_pytorch(case) else 1e-3))
        values = step["x"].astype(np.float64)
        valid = {"where": step["mask"][..., None]} if "mask" in step else {}
        variance = values.var(axis=others, **valid)
        scale = (1 / np.sqrt(variance + eps)).max()
        weight = np.abs(step["state"].get("0.weight", np.ones(1))).max() + 1
        bias = np.abs(step["state"].get("0.bias", np.zeros(1))).max() + 1
        spread = 1 + np.abs((values - values.mean(axis=others, keepdims=True)) * scale).max()
        count = values.size / values.shape[axis]
        u = 16 * unit(case)
        if "mask" in step:
            # Keras divides by the count + 1e-7 where a mask is given.
            u += 1e-7 / step["mask"].sum()
        amplified = u * (scale * x) * (1 + (scale * x) ** 2 * (not is_pytorch(case)))
        self.y = weight * amplified * spread + u * bias
        self.dx = weight * scale * dy * spread**2 * (u + amplified)
        self.state = u * (weight + bias + x + x * x) + count * dy * (u * spread + amplified)


def is_pytorch(case):
    return case["create"]["convention"] == "pytorch"


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['create']['convention']}-{c['name']}")
def test_batch_norm_agrees_with_the_framework(rpc, case):
    session = create(rpc, case)
    dtype = case["create"]["dtype"]
    for number, step in enumerate(case["steps"]):
        bounds = Bounds(case, step)
        mask = {"mask": step["mask"]} if "mask" in step else {}
        forward = rpc.call("forward", session=session, x=step["x"].astype(dtype), **mask)
        assert_close(forward["y"], step["y"], bounds.y, f"y of step {number}")
        backward = rpc.call(
            "backward", session=session, step=forward["step"], dy=step["dy"].astype(dtype)
        )
        assert_close(backward["dx"], step["dx"], bounds.dx, f"dx of step {number}")
        got = state(rpc, session)
        for name, want in step["state"].items():
            bound = (number + 1) * bounds.state
            assert_close(got[name], want, bound, f"{name} after step {number}")
    answer = rpc.call("infer", session=session, x=case["eval_x"].astype(dtype))
    # Eval mode multiplies what the last step's state is off by.
    last = {**case["steps"][-1], "x": case["eval_x"]}
    last.pop("mask", None)
    bound = Bounds(case, last).y + 3 * bounds.state * (1 + np.abs(case["eval_y"]).max())
    assert_close(answer["y"], case["eval_y"], bound, "y in eval mode")
