# SPDX-License-Identifier: Apache-2.0
"""Random sequences of valid operations on one batch norm, each compared with its definition."""

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError
from harness.scale import scaled
from norm_model import NormModel

OPERATIONS = 25


def random_session(random):
    """A session's options, and the same for the model."""
    keras = bool(random.integers(2))
    shape = [int(n) for n in random.integers(2, 9, random.integers(1, 4))]
    features = int(random.integers(1, 20))
    axis = -1 if random.integers(2) else 1
    layer = {
        "type": "batch_norm",
        "features": features,
        "eps": float(random.choice([1e-5, 1e-3, 0.1])),
        "momentum": [0.1, 0.9, 1.0, 0.0, None][random.integers(5)],
        "scale": bool(random.integers(4)),
        "center": bool(random.integers(4)),
        "track_running_stats": bool(random.integers(4)),
        "running_variance": str(random.choice(["biased", "unbiased"])),
        "mask_epsilon": float(random.choice([0.0, 1e-7, 0.25])),
        "axis": axis,
        "weight_init": random.normal(size=features),
        "bias_init": random.normal(size=features),
    }
    for part, option in (("weight", "scale"), ("bias", "center")):
        if not layer[option]:
            del layer[f"{part}_init"]
    rates = {"weight_lr": 0.25, "bias_lr": 0.01}
    dtype = str(random.choice(["float32", "float64"]))
    create = {
        "layers": [layer],
        "convention": "keras" if keras else "pytorch",
        "dtype": dtype,
        "optimizer": {"type": "sgd", "lr": 1.0, **rates},
    }
    options = {
        "eps": layer["eps"], "momentum": layer["momentum"], "momentum_keeps": keras,
        "unbiased": layer["running_variance"] == "unbiased",
        "mask_epsilon": layer["mask_epsilon"], **rates,
    }
    return create, NormModel(options, features, axis, dtype), shape


class Run:
    """One session and its model, and the operations that are drawn."""

    def __init__(self, rpc, name, random):
        self.rpc, self.name, self.random = rpc, name, random
        create, self.model, self.places = random_session(random)
        self.dtype = create["dtype"]
        rpc.call("session.create", session=name, if_exists="replace", **create)
        self.contexts = {}
        self.model.adopt(self.state())

    def state(self):
        answer = self.rpc.call("session.export", session=self.name, format="safetensors")
        return {k: v for k, v in safetensors.load(answer["data"]).items() if k.startswith("0.")}

    def settle(self, changed):
        """What was to change has changed as it should, the rest not at all; go on from there."""
        got = self.state()
        assert got.keys() == self.model.state.keys()
        for key, values in got.items():
            if key in changed:
                self.close(values, changed[key], key)
            else:
                np.testing.assert_array_equal(values.astype(np.longdouble), self.model.state[key])
        self.model.adopt(got)

    @staticmethod
    def close(got, want, what):
        difference = np.abs(got.astype(np.longdouble) - want.value)
        # Where a result is all cancellation its bound may be below the least number there is.
        excess = difference - want.bound - np.finfo(np.float32).tiny
        worst = np.argmax(excess)
        assert (excess <= 0).all(), (
            f"{what}: {got.flat[worst]!r}, expected {float(want.value.flat[worst])!r}, off by "
            f"{float(difference.flat[worst]):.3g}, allowed {float(want.bound.flat[worst]):.3g}"
        )

    def batch(self, like=None):
        rows = int(self.random.integers(2, 40))
        shape = [rows, *self.places[1:]]
        shape.insert(1 if self.model.axis == 1 else len(shape), self.model.features)
        offset = float(self.random.choice([0.0, 1.0, 100.0]))
        values = self.random.normal(offset, self.random.uniform(0.1, 10), like or shape)
        return values.astype(self.dtype)

    def forward(self):
        x = self.batch()
        places = x.shape[:-1] if self.model.axis == -1 else x.shape[:1] + x.shape[2:]
        mask = np.ones(places, bool)
        fields = {}
        if self.random.random() < 0.3:
            mask = self.random.random(places) < 0.7
            mask.flat[:2] = True
            if not mask.all():  # the model tells by this whether there is a mask
                fields["mask"] = mask
        update = bool(self.random.random() < 0.8)
        if not update:
            fields["update_stats"] = False
        answer = self.rpc.call("forward", session=self.name, x=x, **fields)
        y, context, new = self.model.forward(x, mask.reshape(-1), update)
        self.close(answer["y"], y, "y")
        self.contexts[answer["step"]] = context
        self.settle(new)

    def backward(self):
        if not self.contexts:
            return
        step = list(self.contexts)[int(self.random.integers(len(self.contexts)))]
        context = self.contexts.pop(step)
        apply = bool(self.random.random() < 0.6)
        dy = self.batch(context.shape)
        answer = self.rpc.call("backward", session=self.name, step=step, dy=dy, apply=apply)
        self.close(answer["dx"], self.model.backward(context, dy), "dx")
        self.settle(self.model.step() if apply else {})

    def step(self):
        if self.model.gradients is None:
            with pytest.raises(RpcError, match="^BAD_ARGUMENT"):
                self.rpc.call("step", session=self.name)
            self.settle({})
            return
        self.rpc.call("step", session=self.name)
        self.settle(self.model.step())

    def infer(self):
        x = self.batch()
        answer = self.rpc.call("infer", session=self.name, x=x)
        self.close(answer["y"], self.model.infer(x), "y in eval mode")
        self.settle({})

    def refused(self):
        """An operation that fails changes nothing."""
        x = self.batch()
        x.flat[int(self.random.integers(x.size))] = np.nan
        with pytest.raises(RpcError, match="^NOT_FINITE"):
            self.rpc.call("forward", session=self.name, x=x)
        self.settle({})


@pytest.mark.parametrize("seed", range(scaled(40, 5)))
def test_operations_in_any_order_do_what_the_definition_says(rpc, name, seed):
    random = np.random.default_rng(seed)
    run = Run(rpc, name, random)
    operations = [run.forward, run.backward, run.step, run.infer, run.refused]
    for _ in range(OPERATIONS):
        operations[random.choice(len(operations), p=[0.35, 0.3, 0.1, 0.15, 0.1])]()
