# SPDX-License-Identifier: Apache-2.0
"""Golden values of every option of batch norm, for x of 2 to 5 axes, by PyTorch and Keras 3.

Ten training steps with plain SGD on gamma and beta, each with forward, backward and the running
statistics after it, then inference. Needs torch and keras; run it on its own:
KERAS_BACKEND=torch python make_batch_norm_options.py
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from keras.src.backend.common import dtypes as keras_dtypes  # noqa: E402
from make_common import DTYPES, GRID, GoldenFile  # noqa: E402
from torch import nn  # noqa: E402

VERSIONS = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "torch": torch.__version__,
    "keras": keras.__version__,
    "keras backend": keras.backend.backend(),
}

# See make_keras.py: with TensorFlow's row of Keras' table float64 stays float64.
keras_dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

STEPS = 10
RATES = {"weight_lr": 0.25, "bias_lr": 0.125}
SHAPES = {2: (9, 3), 3: (4, 3, 2), 4: (3, 2, 3, 2), 5: (2, 3, 2, 1, 2)}
TYPES = {2: "batch_norm1d", 3: "batch_norm1d", 4: "batch_norm2d", 5: "batch_norm3d"}
NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
KERAS_NAMES = {
    "weight": "gamma", "bias": "beta",
    "running_mean": "moving_mean", "running_var": "moving_variance",
}

# Options of the wire, in PyTorch's words.
PYTORCH: Dict[str, Dict[str, Any]] = {
    "defaults": {},
    "eps_0": {"eps": 0.0},
    "eps_large": {"eps": 0.25},
    "momentum_0": {"momentum": 0.0},
    "momentum_1": {"momentum": 1.0},
    "momentum": {"momentum": 0.3},
    "cumulative": {"momentum": None},
    "not_affine": {"affine": False},
    "scale_alone": {"scale": True, "center": False},
    "center_alone": {"scale": False, "center": True},
    "biased": {"running_variance": "biased"},
    "cumulative_biased": {"momentum": None, "running_variance": "biased"},
    "not_tracked": {"track_running_stats": False},
    "not_tracked_not_affine": {"track_running_stats": False, "affine": False},
    "initial_statistics": {"running_mean_init": True, "running_var_init": True},
    "frozen_stats": {"frozen_stats": True, "running_mean_init": True, "running_var_init": True},
    "frozen_stats_center_alone": {
        "frozen_stats": True, "scale": False, "center": True, "running_mean_init": True,
    },
    "not_trainable": {"trainable": False, "running_mean_init": True, "running_var_init": True},
    "propagate": {"on_nonfinite": "propagate"},
}
# And in Keras'.
KERAS: Dict[str, Dict[str, Any]] = {
    "defaults": {},
    "epsilon_0": {"epsilon": 0.0},
    "epsilon_large": {"epsilon": 0.25},
    "momentum_0": {"momentum": 0.0},
    "momentum_1": {"momentum": 1.0},
    "momentum": {"momentum": 0.3},
    "not_centered": {"center": False},
    "not_scaled": {"scale": False},
    "neither": {"center": False, "scale": False},
    "unbiased": {"running_variance": "unbiased"},
    "initial_statistics": {"moving_mean_initializer": True, "moving_variance_initializer": True},
    "frozen_stats": {"frozen_stats": True, "moving_mean_initializer": True},
    "not_trainable": {
        "trainable": False, "moving_mean_initializer": True, "moving_variance_initializer": True,
    },
}


class Data:
    """The batches of a rank; all cases of a file share them."""

    def __init__(self, golden: GoldenFile, rank: int) -> None:
        self.draw(np.random.default_rng(rank), SHAPES[rank], STEPS)
        self.stored = {
            "x": golden.keep("x", (self.x * GRID).astype(np.int16)),
            "dy": golden.keep("dy", (self.dy * GRID).astype(np.int16)),
            "grid": GRID,
        }

    def draw(self, random: np.random.Generator, shape: tuple, steps: int) -> None:
        """Batches whose spread grows, one more than steps, and gradients."""
        growth = 1 + np.arange(steps + 1).reshape((-1,) + (1,) * len(shape)) / 4
        self.x = self._grid(random.normal(size=(steps + 1, *shape)) * growth + 0.5)
        self.dy = self._grid(random.normal(size=(steps, *shape)))

    @staticmethod
    def _grid(values: np.ndarray) -> np.ndarray:
        return np.round(values * GRID) / GRID


def initial(options: Dict[str, Any], names: List[str], features: int, seed: int) -> Dict[str, Any]:
    """Initial values of gamma and beta always, of the statistics where the options say True."""
    random = np.random.default_rng(seed)
    values = {
        "weight": random.normal(1, 0.5, features), "bias": random.normal(0, 1, features),
        "running_mean": random.normal(0, 1, features),
        "running_var": random.uniform(0.5, 3, features),
    }
    return {
        part: np.round(array * GRID) / GRID for part, array in values.items()
        if part in names and (part in ("weight", "bias") or f"{part}_init" in options
                              or f"{KERAS_NAMES[part]}_initializer" in options)
    }


class TorchNorm:
    """One batch norm by PyTorch; what its modules do not have is composed of its functions."""

    def __init__(self, options: Dict[str, Any], features: int, rank: int, dtype: str) -> None:
        self.options = options
        kind = getattr(torch, dtype)
        taken = ("eps", "momentum", "affine", "track_running_stats")
        given = {k: v for k, v in options.items() if k in taken}
        if given.get("eps") == 0.0:
            given["eps"] = 1e-30  # it takes no 0 in training; variance + 1e-30 is the variance
        self.module = NORMS[rank](features, dtype=kind, **given)
        self.axis = options.get("axis", 1)
        self.parts = self._parts()

    def _parts(self) -> Dict[str, torch.Tensor]:
        module, options = self.module, self.options
        if not options.get("scale", True):
            module.weight = None
        if not options.get("center", True):
            module.bias = None
        named = {"weight": module.weight, "bias": module.bias,
                 "running_mean": module.running_mean, "running_var": module.running_var}
        return {name: part for name, part in named.items() if part is not None}

    def start(self, values: Dict[str, np.ndarray]) -> None:
        """Sets initial values; freezes what is to be frozen."""
        for name, array in values.items():
            part = self.parts[name]
            part.data.copy_(torch.from_numpy(array))
        learns = self.options.get("trainable", True)
        for name in ("weight", "bias"):
            if name in self.parts:
                self.parts[name].requires_grad_(learns)
        self.module.train(learns and not self.options.get("frozen_stats", False))

    def call(self, x: torch.Tensor) -> torch.Tensor:
        """y; moves the running statistics."""
        module = self.module
        moved = x.movedim(self.axis, 1)
        before = None if module.running_var is None else module.running_var.clone()
        y = module(moved)
        if self.options.get("running_variance") == "biased" and module.training:
            momentum = module.momentum
            if momentum is None:
                momentum = 1.0 / float(module.num_batches_tracked)
            others = [i for i in range(moved.ndim) if i != 1]
            batch = moved.detach().var(dim=others, correction=0)
            module.running_var.data.copy_((1 - momentum) * before + momentum * batch)
        return y.movedim(1, self.axis)

    def infer(self, x: torch.Tensor) -> torch.Tensor:
        """y in eval mode."""
        self.module.eval()
        return self.module(x.movedim(self.axis, 1)).movedim(1, self.axis)

    def learn(self) -> None:
        """A step of SGD."""
        with torch.no_grad():
            for name, rate in (("weight", "weight_lr"), ("bias", "bias_lr")):
                part = self.parts.get(name)
                if part is not None and part.grad is not None:
                    part -= RATES[rate] * part.grad
                    part.grad = None

    def state(self) -> Dict[str, np.ndarray]:
        """Every tensor under PyTorch's name."""
        state = {name: part.detach().numpy().copy() for name, part in self.parts.items()}
        if self.module.num_batches_tracked is not None:
            state["num_batches_tracked"] = self.module.num_batches_tracked.numpy().copy()
        return state


class KerasNorm:
    """One batch norm by Keras."""

    def __init__(self, options: Dict[str, Any], shape: tuple, dtype: str) -> None:
        self.options = options
        keras.config.set_floatx(dtype)
        taken = ("axis", "epsilon", "momentum", "center", "scale", "trainable")
        self.layer = keras.layers.BatchNormalization(
            dtype=dtype, **{k: v for k, v in options.items() if k in taken}
        )
        self.layer.build(shape)
        named = {name: getattr(self.layer, theirs, None) for name, theirs in KERAS_NAMES.items()}
        self.parts = {name: part for name, part in named.items() if part is not None}
        self.axis = options.get("axis", -1)

    def start(self, values: Dict[str, np.ndarray]) -> None:
        """Sets initial values."""
        for name, array in values.items():
            self.parts[name].assign(array)

    def call(self, x: torch.Tensor) -> torch.Tensor:
        """y; moves the running statistics."""
        variance = self.parts["running_var"]
        before = variance.value.detach().clone()
        learns = not self.options.get("frozen_stats", False)
        y = self.layer(x, training=learns)
        moves = learns and self.layer.trainable
        if self.options.get("running_variance") == "unbiased" and moves:
            # TensorFlow's fused kernel: the batch's variance with Bessel's correction.
            others = [i for i in range(x.ndim) if i != self.axis % x.ndim]
            momentum = self.layer.momentum
            batch = x.detach().var(dim=others, correction=1)
            variance.value.data.copy_(momentum * before + (1 - momentum) * batch)
        return y

    def infer(self, x: torch.Tensor) -> torch.Tensor:
        """y in inference mode."""
        return self.layer(x, training=False)

    def learn(self) -> None:
        """A step of SGD."""
        with torch.no_grad():
            for name, rate in (("weight", "weight_lr"), ("bias", "bias_lr")):
                part = self.parts.get(name)
                if part is not None and part.value.grad is not None:
                    part.value.sub_(RATES[rate] * part.value.grad)
                    part.value.grad = None

    def state(self) -> Dict[str, np.ndarray]:
        """Every variable under PyTorch's name."""
        return {name: keras.ops.convert_to_numpy(part).copy() for name, part in self.parts.items()}


def run(golden: GoldenFile, key: str, norm: Any, data: Data, dtype: str, case: Dict) -> None:
    """Ten steps and inference; adds the case."""
    results: Dict[str, List[np.ndarray]] = {"y": [], "dx": []}
    states: List[Dict[str, np.ndarray]] = []
    for step in range(len(data.dy)):
        values = data.x[step].copy()
        for at, index, what in case.get("nonfinite", []):
            if at == step:
                values.flat[index] = float(what)
        x = torch.from_numpy(values.astype(dtype)).requires_grad_()
        y = norm.call(x)
        y.backward(torch.from_numpy(data.dy[step].astype(dtype)))
        norm.learn()
        results["y"].append(y.detach().numpy())
        results["dx"].append(x.grad.numpy())
        states.append(norm.state())
    with torch.no_grad():
        y = norm.infer(torch.from_numpy(data.x[-1].astype(dtype)))
    case["y"] = golden.keep(f"{key}/y", np.stack(results["y"]))
    case["dx"] = golden.keep(f"{key}/dx", np.stack(results["dx"]))
    case["eval_y"] = golden.keep(f"{key}/eval_y", y.numpy())
    case["state"] = {
        name: golden.keep(f"{key}/{name}", np.stack([state[name] for state in states]))
        for name in states[0]
    }
    golden.add(case)


def axes(rank: int, usual: int) -> Dict[str, Dict[str, Any]]:
    """An option set for every axis but the usual one, both ways to count."""
    every = [*range(1, rank), *range(-rank + 1, 0)]
    return {f"axis_{axis}": {"axis": axis} for axis in every if axis != usual}


def make_case(golden: GoldenFile, data: Data, convention: str, rank: int, row: tuple,
              dtype: str) -> None:
    """One option set on one rank."""
    name, options = row
    shape, keras_way = SHAPES[rank], convention == "keras"
    features = shape[options.get("axis", -1 if keras_way else 1)]
    norm = KerasNorm(options, shape, dtype) if keras_way else \
        TorchNorm(options, features, rank, dtype)
    values = initial(options, list(norm.parts), features, rank + 10 * len(name))
    norm.start(values)
    plain = keras_way or "axis" in options or "scale" in options or "running_variance" in options
    layer: Dict[str, Any] = {"type": "batch_norm" if plain else TYPES[rank]}
    layer.update({k: v for k, v in options.items() if v is not True or not k.endswith(
        ("_init", "_initializer"))})
    for part, array in values.items():
        option = f"{KERAS_NAMES[part]}_initializer" if keras_way else f"{part}_init"
        layer[option] = array.tolist()
    case: Dict[str, Any] = {
        "name": f"{name}_{rank}_{dtype}",
        "create": {
            "layers": [layer], "input": list(shape[1:]), "dtype": dtype, "convention": convention,
            "optimizer": {"type": "sgd", "lr": 1.0, **RATES},
        },
        "data": data.stored,
    }
    if name == "propagate":
        case["nonfinite"] = [[3, 0, "nan"], [6, int(np.prod(shape)) - 1, "inf"]]
    run(golden, case["name"], norm, data, dtype, case)


def refused(golden: GoldenFile, rank: int, train: bool, options: Dict[str, Any]) -> None:
    """A batch of one value a channel: PyTorch says no, and how."""
    shape = (1, 3) + (1,) * (rank - 2)
    norm = NORMS[rank](3, **options)
    norm.train(train)
    message: Optional[str] = None
    try:
        norm(torch.zeros(shape))
    except ValueError as error:
        message = str(error)
    assert message is not None
    golden.add({
        "name": f"refused_{rank}_{'train' if train else 'eval'}",
        "create": {"layers": [{"type": TYPES[rank], **options}], "input": list(shape[1:])},
        "train": train, "message": message,
    })


def make() -> None:
    """Writes a file for each framework and rank."""
    torch.set_num_threads(1)
    for convention, table, usual in (("pytorch", PYTORCH, 1), ("keras", KERAS, -1)):
        for rank in SHAPES:
            golden = GoldenFile(f"batch_norm_options_{convention}_{rank}", VERSIONS)
            data = Data(golden, rank)
            for row in {**table, **axes(rank, usual)}.items():
                for dtype in DTYPES:
                    make_case(golden, data, convention, rank, row, dtype)
            golden.write()
    golden = GoldenFile("batch_norm_options_refused", VERSIONS)
    for rank in SHAPES:
        if rank != 3:
            refused(golden, rank, True, {})
            refused(golden, rank, False, {"track_running_stats": False})
    golden.write()


if __name__ == "__main__":
    make()
