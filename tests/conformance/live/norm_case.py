# SPDX-License-Identifier: Apache-2.0
"""A random batch norm: options, rank, type and convention, against the installed framework."""

from __future__ import annotations

from typing import Any, Dict, Iterator

import make_batch_norm_options as reference
import numpy as np
from norm_run import Run

# Option: its values, in each convention's words. One is drawn for about half of the cases.
COMMON = {
    "axis": "any",
    "frozen_stats": [True],
    "trainable": [False],
}
PYTORCH = {
    **COMMON,
    "eps": [0.0, 1e-12, 1e-3, 0.5],
    "momentum": [None, 0.0, 1.0, 0.01, 0.75],
    "running_variance": ["biased"],
    "affine": [False],
    "scale": [False],
    "center": [False],
    "track_running_stats": [False],
    "running_mean_init": [True],
    "running_var_init": [True],
}
KERAS = {
    **COMMON,
    "epsilon": [0.0, 1e-12, 1e-5, 0.5],
    "momentum": [0.0, 1.0, 0.5, 0.9],
    "running_variance": ["unbiased"],
    "scale": [False],
    "center": [False],
    "moving_mean_initializer": [True],
    "moving_variance_initializer": [True],
}
SHARE = 0.3


def valid(options: Dict[str, Any]) -> Dict[str, Any]:
    """Without what does not go together."""
    left = dict(options)
    if "affine" in left:
        left.pop("scale", None)
        left.pop("center", None)
    if left.get("track_running_stats") is False:
        for option in ("frozen_stats", "running_mean_init", "running_var_init", "trainable",
                       "running_variance"):
            left.pop(option, None)
    return left


def draw(random: np.random.Generator) -> Dict[str, Any]:
    """A case that JSON can hold; its data comes from `data_seed`."""
    convention = ["pytorch", "keras"][random.integers(2)]
    rank = int(random.integers(2, 6))
    shape = [int(n) for n in random.integers(1, 6, rank)]
    shape[0] = int(random.integers(3, 20))
    options = {}
    for option, values in (PYTORCH if convention == "pytorch" else KERAS).items():
        if random.random() < SHARE:
            if values == "any":
                values = [*range(1, rank), *range(-rank + 1, 0)]
            options[option] = values[random.integers(len(values))]
    return {
        "kind": "norm", "convention": convention, "shape": shape, "options": valid(options),
        "dtype": ["float32", "float64"][random.integers(2)], "steps": int(random.integers(1, 11)),
        "data_seed": int(random.integers(2**31)),
    }


class Memory:
    """Takes the place of a golden file: arrays stand for themselves."""

    def __init__(self) -> None:
        self.cases = []

    @staticmethod
    def keep(_key: str, values: Any) -> np.ndarray:
        """The values."""
        return np.asarray(values)

    def add(self, case: Dict[str, Any]) -> None:
        """Holds the case."""
        self.cases.append(case)


def check(rpc: Any, case: Dict[str, Any]) -> None:
    """Raises where the daemon and the framework differ by more than rounding."""
    options, shape, keras = case["options"], tuple(case["shape"]), case["convention"] == "keras"
    axis = options.get("axis", -1 if keras else 1)
    features = shape[axis]
    norm = reference.KerasNorm(options, shape, case["dtype"]) if keras else \
        reference.TorchNorm(options, features, len(shape), case["dtype"])
    values = reference.initial(options, list(norm.parts), features, case["data_seed"])
    norm.start(values)
    layer = {"type": "batch_norm", **{k: v for k, v in options.items() if v is not True
                                      or not k.endswith(("_init", "_initializer"))}}
    for part, array in values.items():
        name = f"{reference.KERAS_NAMES[part]}_initializer" if keras else f"{part}_init"
        layer[name] = array.tolist()
    data = reference.Data.__new__(reference.Data)
    data.draw(np.random.default_rng(case["data_seed"]), shape, case["steps"])
    memory = Memory()
    whole = {
        "name": "live", "data": {"x": data.x, "dy": data.dy, "grid": 1},
        "create": {"layers": [layer], "input": list(shape[1:]), "dtype": case["dtype"],
                   "convention": case["convention"],
                   "optimizer": {"type": "sgd", "lr": 1.0, **reference.RATES}},
    }
    reference.run(memory, "live", norm, data, case["dtype"], whole)
    Run(rpc, memory.cases[0]).whole()


def simpler(case: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Cases with less in them."""
    if case["steps"] > 1:
        yield {**case, "steps": 1}
        yield {**case, "steps": case["steps"] - 1}
    for option in case["options"]:
        left = {k: v for k, v in case["options"].items() if k != option}
        yield {**case, "options": left}
    for place, extent in enumerate(case["shape"]):
        least = 3 if place == 0 else 1
        if extent > least:
            yield {**case, "shape": [*case["shape"][:place], least, *case["shape"][place + 1:]]}
