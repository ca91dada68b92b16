# SPDX-License-Identifier: Apache-2.0
"""Runs a case of one batch norm through the daemon and compares it with a framework's results.

norm_bounds.py has the bounds of float32. For float64 every result is within 1e-12 of the largest
of its array.
"""

import numpy as np
from golden import create, state, unit
from norm_bounds import Drift, assert_within, channels, sizes


class Run:
    """One case against its session."""

    def __init__(self, rpc, case):
        self.rpc, self.case = rpc, case
        self.session = create(rpc, case)
        self.dtype = case["create"]["dtype"]
        description = rpc.call("session.describe", session=self.session, convention="pytorch")
        self.layer = description["layers"][0]
        self.x = case["data"]["x"] / case["data"]["grid"]
        self.dy = (case["data"]["dy"] / case["data"]["grid"]).astype(self.dtype)
        for step, index, what in case.get("nonfinite", []):
            self.x[step].flat[index] = float(what)
        self.x = self.x.astype(self.dtype)
        self.axis = self.layer["axis"] % self.x[0].ndim
        rates = {name: case["create"]["optimizer"][name] for name in ("weight_lr", "bias_lr")}
        self.drift = Drift(unit(case), self.layer["features"], rates)
        self.frozen = self.layer["frozen_stats"] or not self.layer["trainable"]
        self.before = self.tensors()

    def tensors(self):
        return {name[2:]: values for name, values in state(self.rpc, self.session).items()
                if name.startswith("0.")}

    def part(self, name, otherwise):
        return self.before.get(name, np.full(self.layer["features"], otherwise)).astype(np.float64)

    def running(self):
        return self.part("running_mean", 0), self.part("running_var", 1)

    def check(self, got, want, bound, axis, what):
        if self.dtype == "float64":
            bound = 1e-12 * np.abs(np.where(np.isfinite(want), want, 0)).max(initial=0)
        # A channel that is not finite in the framework has no bound, and needs none.
        bound = np.nan_to_num(np.asarray(bound, np.float64), nan=0.0)
        assert_within(got, want, bound, axis, f"{self.case['name']}: {what}")

    def step(self, number):
        x, dy = self.x[number], self.dy[number]
        size = sizes(x, self.axis, self.layer["eps"], self.drift.unit,
                     self.running() if self.frozen else None)
        weight, bias = self.part("weight", 1), self.part("bias", 0)
        forward = self.rpc.call("forward", session=self.session, x=x)
        bound = self.drift.y(size, weight, bias, self.frozen)
        self.check(forward["y"], self.case["y"][number], bound, self.axis, f"y of step {number}")
        backward = self.rpc.call("backward", session=self.session, step=forward["step"], dy=dy)
        largest = np.abs(channels(dy, self.axis)).max(0)
        bound = self.drift.dx(size, weight, largest)
        self.check(backward["dx"], self.case["dx"][number], bound, self.axis,
                   f"dx of step {number}")
        got = self.tensors()
        want = {name: values[number] for name, values in self.case["state"].items()}
        running = {name: got[name] for name in ("running_mean", "running_var") if name in got}
        self.drift.step(size, len(channels(x, self.axis)), largest, got, running)
        for name, values in want.items():
            if name == "num_batches_tracked":
                assert got[name] == values
            else:
                self.check(got[name], values, self.drift.state[name], 0, f"{name} after {number}")
        assert set(want) | {"num_batches_tracked"} == set(got) | {"num_batches_tracked"}
        self.before = got

    def infer(self):
        x = self.x[-1]
        tracked = "running_mean" in self.before
        size = sizes(x, self.axis, self.layer["eps"], self.drift.unit,
                     self.running() if tracked else None)
        answer = self.rpc.call("infer", session=self.session, x=x)
        bound = self.drift.y(size, self.part("weight", 1), self.part("bias", 0), tracked)
        self.check(answer["y"], self.case["eval_y"], bound, self.axis, "y in eval mode")

    def whole(self):
        """Every step, and inference."""
        for number in range(len(self.case["y"])):
            self.step(number)
        self.infer()
