# SPDX-License-Identifier: Apache-2.0
"""Renormalization, virtual batches and masks over ten steps, against the frameworks.

All golden values are of float64. With u the rounding unit of the session's type:
- float64: an array of a result is off by 1e-12 of its largest value at most.
- float32: the inputs are the same numbers in both types, so only the session rounds, and its moments
  and sums are of double. With s = 1/sqrt(var + eps), xhat = (x - mean) s and r, d of
  renormalization, each of order `correction`, a step is a handful of roundings, 4 u each:
    y     u (|gamma| (r |xhat| + |d|) + |beta|)
    dx    u |gamma| r s max|dy| (1 + max|xhat|^2), for its three terms
    gamma, beta   the sum of n terms dy (xhat r + d), of size sqrt(n) where they have either sign,
          rounded once, and once more when the parameter is
    running statistics   u (1 + max|x|^2)
  What a step leaves in the state goes into the next ones, where it counts with the same factors, so
  the bounds grow with the number of the step.
"""

import math

import numpy as np
import pytest
from golden import load, state

FILES = [
    "renorm_compat_v1", "renorm_keras2", "renorm_keras3", "renorm_virtual_compat_v1",
    "renorm_virtual_keras2", "renorm_mask_keras3", "renorm_ghost_pytorch",
]
CASES = [(file, case) for file in FILES for case in load(file)]
RELATIVE = 1e-12


def unit_of(dtype):
    """The rounding unit: half the distance of 1 and the next number."""
    return float(np.finfo(dtype).eps) / 2


def largest(values):
    return np.abs(values).max(initial=0.0)


def groups_of(case, x):
    """The virtual batches of x, features last; the batch itself where there are none."""
    layer = case["create"]["layers"][0]
    keras = case["create"]["convention"] == "keras"
    size = layer.get("virtual_batch_size")
    groups = [x]
    if size and keras:
        groups = [x[g :: len(x) // size] for g in range(len(x) // size)]
    elif size:
        each = math.ceil(len(x) / math.ceil(len(x) / size))
        groups = [x[start : start + each] for start in range(0, len(x), each)]
    return [np.moveaxis(group, layer.get("axis", -1 if keras else 1), -1) for group in groups]


class Bounds:
    """What the results of one step may be off by."""

    def __init__(self, case, dtype, step):
        self.double = dtype == "float64"
        if self.double:
            return
        layer = case["create"]["layers"][0]
        x, dy = case["x"][step].astype(float), case["dy"][step].astype(float)
        eps = layer.get("epsilon", layer.get("eps", 1e-3))
        spread = scale = 0.0
        for group in groups_of(case, x):
            valid = case["mask"][step] if "mask" in case else np.ones(group.shape[:-1], bool)
            rows = group[valid]
            s = 1 / np.sqrt(rows.var(axis=0) + eps)
            spread = max(spread, largest((group - rows.mean(axis=0)) * s))
            scale = max(scale, largest(s))
        states = {name: largest(case[name][: step + 1]) for name in case if name.startswith("0.")}
        weight = 1 + states.get("0.weight", 1.0)
        bias = 1 + states.get("0.bias", 0.0)
        correction = 1.0
        if layer.get("renorm"):
            # r <= deviation / renorm_std, |d| <= |mean - renorm_mean| / renorm_std.
            least = np.abs(case["0.renorm_std"][: step + 1]).min()
            correction += (1 + largest(x) + states["0.renorm_mean"]) / least
        count = dy.size / groups_of(case, x)[0].shape[-1]
        u = 4 * unit_of(dtype)
        self.gradient = (step + 1) * u * correction * largest(dy) * (1 + spread) * math.sqrt(count)
        late = step * self.gradient
        self.y = u * (weight * correction * (1 + spread) + bias) + late * correction * (1 + spread)
        self.dx = (u * weight + late) * correction * scale * largest(dy) * (1 + spread**2)
        self.parameter = self.gradient + u * (weight + bias)
        self.moments = (step + 1) * u * (1 + largest(x) ** 2)

    def of(self, name, want):
        """The bound for an array: relative for float64."""
        if self.double:
            return RELATIVE * max(largest(want), 1e-3)
        if name in ("y", "dx"):
            return getattr(self, name)
        return self.parameter if name in ("0.weight", "0.bias") else self.moments


def close(got, want, bound, what):
    difference = largest(got.astype(float) - want)
    assert difference <= bound, f"{what}: off by {difference:.3g}, allowed {bound:.3g}"


def create(rpc, case, dtype):
    name = f"{case['name']}_{dtype}"
    rpc.call("session.create", session=name, if_exists="replace", dtype=dtype, **case["create"])
    return name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]['name']}")
def test_ten_steps_agree_with_the_framework(rpc, case, dtype):
    _, case = case
    session = create(rpc, case, dtype)
    for step in range(len(case["x"])):
        bounds = Bounds(case, dtype, step)
        mask = {"mask": case["mask"][step]} if "mask" in case else {}
        forward = rpc.call("forward", session=session, x=case["x"][step].astype(dtype), **mask)
        close(forward["y"], case["y"][step], bounds.of("y", case["y"][step]), f"y of step {step}")
        backward = rpc.call(
            "backward", session=session, step=forward["step"], dy=case["dy"][step].astype(dtype)
        )
        want = case["dx"][step]
        close(backward["dx"], want, bounds.of("dx", want), f"dx of step {step}")
        got = state(rpc, session)
        names = {name for name in case if name.startswith("0.")}
        counter = {"0.num_batches_tracked"} & set(got)
        assert names | counter == {name for name in got if name.startswith("0.")}
        for name in names:
            want = case[name][step]
            close(got[name], want, bounds.of(name, want), f"{name} after step {step}")
    answer = rpc.call("infer", session=session, x=case["eval_x"].astype(dtype))
    bounds = Bounds({**case, "x": [case["eval_x"]] * 10}, dtype, 9)
    close(answer["y"], case["eval_y"], bounds.of("y", case["eval_y"]), "y in inference")
