# SPDX-License-Identifier: Apache-2.0
"""Layer, RMS, group and instance norm against the frameworks."""

import numpy as np
import pytest
from golden import assert_close, create, load, state, unit

CASES = load("norms_pytorch") + load("norms_keras")


def groups_of(case, x):
    """x as (groups, values of a group), in float64."""
    (layer,) = case["create"]["layers"]
    keras = case["create"]["convention"] == "keras"
    values = x.astype(np.float64)
    if layer["type"] in ("layer_norm", "rms_norm"):
        extents = layer.get("normalized_shape", layer.get("axis", 1))
        axes = len(extents) if isinstance(extents, list) else 1
        return values.reshape(-1, int(np.prod(x.shape[x.ndim - axes:])))
    if layer.get("axis", -1 if keras else 1) == -1:
        values = np.moveaxis(values, -1, 1)
    groups = layer.get("num_groups", layer.get("groups", 32))
    if layer["type"].startswith("instance_norm") or groups == -1:
        groups = values.shape[1]
    return values.reshape(x.shape[0] * groups, -1)


class Bounds:
    """How far two ways to compute the same in the same type may be apart, for one batch.

    As of batch norm (test_batch_norm.py), with a group of n values in place of a channel and u the
    rounding unit, s = 1/sqrt(var + eps):
    - the frameworks keep the mean in the batch's type, some as E[x^2] - E[x]^2, and Keras computes
      y as x s + (-mean s): x - mean and s are off by u r s max|x| with r = 1 + (s max|x|)^2;
    - y = (x - mean) s gamma + beta, dx = s (g - mean(g) - xhat mean(g xhat)), g = dy gamma;
    - the parameters' gradients are sums over all groups of terms max|dy| max|xhat|.
    The factor 8 covers the handful of roundings of each formula; in float64 all of it is below the
    1e-12 relative to the size of the terms that is asked for.
    """

    def __init__(self, case, step):
        (layer,) = case["create"]["layers"]
        x, dy = np.abs(step["x"]).max(), np.abs(step["dy"]).max()
        values = groups_of(case, step["x"])
        keras = case["create"]["convention"] == "keras"
        rms = layer["type"] == "rms_norm"
        default = 0.0 if rms else 1e-3 if keras else 1e-5
        eps = layer.get("eps", layer.get("epsilon", default))
        centered = values - (0 if rms else values.mean(axis=1, keepdims=True))
        scale = (1 / np.sqrt((centered**2).mean(axis=1) + eps)).max()
        weight = np.abs(step["state"].get("0.weight", np.ones(1))).max() + 1
        bias = np.abs(step["state"].get("0.bias", np.zeros(1))).max() + 1
        spread = 1 + (np.abs(centered) * scale).max()
        u = 8 * unit(case)
        amplified = u * (scale * x) * (1 + (scale * x) ** 2)
        self.y = weight * amplified * spread + u * bias
        self.dx = weight * scale * dy * spread**2 * (u + amplified)
        terms = values.size / step["state"].get("0.weight", np.ones(values.shape[1])).size
        self.state = u * (weight + bias + x + x * x) + terms * dy * (u * spread + amplified)
        if case["create"]["dtype"] == "float64":
            size = weight * spread**2 * (1 + scale * x) ** 3
            assert self.y <= 1e-12 * (size + bias) and self.dx <= 1e-12 * size * scale * dy


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_a_norm_agrees_with_the_framework(rpc, case):
    session = create(rpc, case)
    dtype = case["create"]["dtype"]
    for number, step in enumerate(case["steps"]):
        bounds = Bounds(case, step)
        forward = rpc.call("forward", session=session, x=step["x"].astype(dtype))
        backward = rpc.call(
            "backward", session=session, step=forward["step"], dy=step["dy"].astype(dtype)
        )
        if "y" in step:
            # The parameters are off by what the steps before left.
            drift = number * bounds.state * (1 + np.abs(step["y"]).max())
            assert_close(forward["y"], step["y"], bounds.y + drift, f"y of step {number}")
            drift *= 1 + np.abs(step["dx"]).max()
            assert_close(backward["dx"], step["dx"], bounds.dx + drift, f"dx of step {number}")
        got = state(rpc, session)
        for name, want in step["state"].items():
            bound = (number + 1) * bounds.state
            assert_close(got[name], want, bound, f"{name} after step {number}")
    answer = rpc.call("infer", session=session, x=case["eval_x"].astype(dtype))
    last = {**case["steps"][-1], "x": case["eval_x"]}
    drift = len(case["steps"]) * bounds.state * (1 + np.abs(case["eval_y"]).max())
    assert_close(answer["y"], case["eval_y"], Bounds(case, last).y + drift, "y in eval mode")


@pytest.mark.parametrize("case", [c for c in CASES if c["name"].endswith("float32")],
                         ids=lambda c: c["name"])
def test_what_describe_tells_makes_the_same_layer_again(rpc, case):
    session = create(rpc, case)
    told = rpc.call("session.describe", session=session)
    (layer,) = told["layers"]
    again = {key: value for key, value in layer.items() if not str(value).startswith("{'name'")}
    configuration = {**case["create"], "layers": [again]}
    rpc.call("session.create", session="again", if_exists="replace", **configuration)
    (second,) = rpc.call("session.describe", session="again")["layers"]
    assert {k: v for k, v in second.items() if k in again} == again
