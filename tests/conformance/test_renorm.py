# SPDX-License-Identifier: Apache-2.0
"""Renormalization, virtual batches and Keras' masks over ten steps, against the frameworks.

All golden values are of float64. With u the rounding unit of the session's type:
- float64: an array of a result is off by 1e-12 of its largest value at most.
- float32: the inputs are the same numbers in both types, so only the session rounds. With
  s = 1/sqrt(var + eps) and r, d of renormalization a forward or backward step is some 16 roundings:
    y   u (|gamma r xhat| + |gamma d| + |beta|),
    dx  u |gamma r| s max|dy| (1 + max|xhat|^2) for its three terms,
  and gamma and beta take sums of dy xhat r + dy d and of dy, whose rounding is once that of their
  result. What a step leaves in the state is carried into the next ones, where it counts with the
  same factors, so the bound grows with the number of the step; r and d divide by a stored deviation
  of relative error u times that number.
"""

import numpy as np
import pytest
from golden import load, state, unit

FILES = [
    "renorm_compat_v1", "renorm_keras2", "renorm_keras3", "renorm_virtual_compat_v1",
    "renorm_virtual_keras2", "renorm_mask_keras3",
]
CASES = [(file, case) for file in FILES for case in load(file)]
RELATIVE = 1e-12


def largest(values):
    return np.abs(values).max(initial=0.0)


class Bounds:
    """What the results of one step may be off by."""

    def __init__(self, case, dtype, step):
        self.double = dtype == "float64"
        if self.double:
            return
        layer = case["create"]["layers"][0]
        x, dy = case["x"][step].astype(float), case["dy"][step].astype(float)
        axis = layer.get("axis", -1)
        groups = [x]
        size = layer.get("virtual_batch_size")
        if size:
            groups = [x[g :: len(x) // size] for g in range(len(x) // size)]
        eps = layer.get("epsilon", 1e-3)
        spread = scale = 0.0
        for group in groups:
            valid = case["mask"][step] if "mask" in case else np.ones(group.shape[:-1], bool)
            rows = np.moveaxis(group, axis, -1) if "mask" not in case else group[valid]
            rows = rows.reshape(-1, group.shape[axis])
            s = 1 / np.sqrt(rows.var(axis=0) + eps)
            everything = np.moveaxis(group, axis, -1).reshape(-1, group.shape[axis])
            spread = max(spread, largest((everything - rows.mean(axis=0)) * s))
            scale = max(scale, largest(s))
        # The frameworks' own y tells how large r and d are: y = (xhat r + d) gamma + beta.
        states = {name: largest(case[name][: step + 1]) for name in case if name.startswith("0.")}
        weight = 1 + states.get("0.weight", 1.0)
        bias = 1 + states.get("0.bias", 0.0)
        correction = 1.0
        if layer.get("renorm"):
            least = np.abs(case["0.renorm_std"][: step + 1]).min()
            correction = 1 + (1 / scale + spread / scale + states["0.renorm_mean"]) / least
        u = 16 * (step + 1) * np.finfo("float32").eps / 2
        count = dy.size / x.shape[axis]
        self.gradient = u * correction * largest(dy) * (1 + spread) * count
        self.y = (u * weight * correction * (1 + spread) + u * bias +
                  step * self.gradient * correction * (1 + spread))
        self.dx = (u * weight + step * self.gradient) * correction * scale * largest(dy) * (
            1 + spread**2)
        self.moments = u * (1 + largest(x) ** 2)

    def of(self, name, want):
        """The bound for an array: relative for float64."""
        if self.double:
            return RELATIVE * max(largest(want), 1e-3)
        if name in ("y", "dx"):
            return getattr(self, name)
        parameter = name in ("0.weight", "0.bias")
        return 10 * self.gradient + 1e-6 * largest(want) if parameter else self.moments


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
        assert names | {"0.num_batches_tracked"} == {n for n in got if n.startswith("0.")}
        for name in names:
            want = case[name][step]
            close(got[name], want, bounds.of(name, want), f"{name} after step {step}")
    answer = rpc.call("infer", session=session, x=case["eval_x"].astype(dtype))
    bounds = Bounds({**case, "x": [case["eval_x"]] * 10}, dtype, 9)
    close(answer["y"], case["eval_y"], bounds.of("y", case["eval_y"]), "y in inference")
