# SPDX-License-Identifier: Apache-2.0
"""Keras 3's golden values: batch norm and whole trainings, on Keras' torch backend.

States are stored under PyTorch's names and shapes, which is what session.export gives.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes as keras_dtypes
from make_common import DTYPES, GoldenFile, compact_batches, on_grid, training_data

VERSIONS = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "keras": keras.__version__,
    "keras backend": f"{keras.backend.backend()} {torch.__version__}",
}

# Only on TensorFlow's backend does Keras keep float64; on the others its operations make float32 of
# it, even in a layer of float64. With TensorFlow's row of the table the formulas are compared in
# all their digits.
keras_dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

# Name, shape, options as both sides take them, whether there is a mask.
BATCH_NORMS = [
    ("rows_and_features", (16, 5), {}, False),
    ("signals", (4, 9, 3), {}, False),
    ("images", (3, 3, 5, 4), {}, False),
    ("channels_first", (3, 4, 3, 5), {"axis": 1}, False),
    ("one_row", (1, 5), {}, False),
    ("momentum", (16, 5), {"momentum": 0.25}, False),
    ("epsilon", (16, 5), {"epsilon": 0.5}, False),
    ("not_centered", (16, 5), {"center": False}, False),
    ("not_scaled", (16, 5), {"scale": False}, False),
    ("masked", (6, 7, 3), {}, True),
]


def numpy_of(variable: Any) -> np.ndarray:
    """A variable's or tensor's value, copied."""
    return keras.ops.convert_to_numpy(variable).copy()


def norm_state(golden: GoldenFile, key: str, place: int, norm: Any) -> Dict[str, Any]:
    """The layer's variables under PyTorch's names."""
    names = {
        "weight": norm.gamma, "bias": norm.beta,
        "running_mean": norm.moving_mean, "running_var": norm.moving_variance,
    }
    return {
        f"{place}.{name}": golden.keep(f"{key}/{place}.{name}", numpy_of(variable))
        for name, variable in names.items() if variable is not None
    }


def batch_norm_case(
    golden: GoldenFile, name: str, shape: tuple, options: Dict, masked: bool, dtype: str
) -> None:
    """Three forward and backward steps with SGD on gamma and beta, then inference."""
    random = np.random.default_rng(100 + len(golden.cases))
    key, features = f"{name}_{dtype}", shape[options.get("axis", -1)]
    keras.config.set_floatx(dtype)
    norm = keras.layers.BatchNormalization(dtype=dtype, **options)
    norm.build(shape)
    rates = {"weight_lr": 0.5, "bias_lr": 0.125}
    layer: Dict[str, Any] = {"type": "batch_norm", "features": features, **options}
    for part, variable in (("weight", norm.gamma), ("bias", norm.beta)):
        if variable is not None:
            values = on_grid(random.normal(part == "weight", 0.5, features)).astype(dtype)
            variable.assign(values)
            layer[f"{part}_init"] = golden.keep(f"{key}/{part}_init", values)
    case: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": [layer],
            "input": list(shape[1:]),
            "dtype": dtype,
            "convention": "keras",
            "optimizer": {"type": "sgd", "lr": 1.0, **rates},
        },
        "steps": [],
    }
    for step in range(3):
        x = on_grid(random.normal(size=shape) * (1 + step) + 0.5)
        dy = on_grid(random.normal(size=shape))
        record = {"x": golden.keep(f"{key}/{step}/x", x), "dy": golden.keep(f"{key}/{step}/dy", dy)}
        mask = None
        if masked:
            mask = random.random(shape[:-1]) < 0.6
            record["mask"] = golden.keep(f"{key}/{step}/mask", mask)
            mask = torch.from_numpy(mask)
        tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
        y = norm(tensor, training=True, mask=mask)
        y.backward(torch.from_numpy(dy.astype(dtype)))
        with torch.no_grad():
            for variable, rate in ((norm.gamma, "weight_lr"), (norm.beta, "bias_lr")):
                if variable is not None:
                    variable.value.sub_(rates[rate] * variable.value.grad)
                    variable.value.grad = None
        record["y"] = golden.keep(f"{key}/{step}/y", y.detach().numpy())
        record["dx"] = golden.keep(f"{key}/{step}/dx", tensor.grad.numpy())
        record["state"] = norm_state(golden, f"{key}/{step}", 0, norm)
        case["steps"].append(record)
    x = on_grid(random.normal(size=shape) + 0.5)
    case["eval_x"] = golden.keep(f"{key}/eval_x", x)
    with torch.no_grad():
        y = norm(torch.from_numpy(x.astype(dtype)), training=False)
    case["eval_y"] = golden.keep(f"{key}/eval_y", y.numpy())
    golden.add(case)


OPTIMIZERS: List[tuple] = [
    ("adam", {"type": "adam", "lr": 1e-3}, lambda: keras.optimizers.Adam(1e-3)),
    ("adam_options",
     {"type": "adam", "lr": 1e-2, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 1e-2},
     lambda: keras.optimizers.Adam(1e-2, beta_1=0.8, beta_2=0.95, epsilon=1e-6, weight_decay=1e-2)),
    ("sgd", {"type": "sgd", "lr": 0.05}, lambda: keras.optimizers.SGD(0.05)),
    ("sgd_momentum",
     {"type": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-2},
     lambda: keras.optimizers.SGD(0.02, momentum=0.9, weight_decay=1e-2)),
    ("sgd_nesterov",
     {"type": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2},
     lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True, weight_decay=1e-2)),
]


def make_model(golden: GoldenFile, key: str, dtype: str) -> tuple:
    """Dense without bias, batch norm, relu, Dense; and the wire's description."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential([
        keras.Input((10,), dtype=dtype),
        keras.layers.Dense(16, use_bias=False, dtype=dtype),
        keras.layers.BatchNormalization(dtype=dtype),
        keras.layers.ReLU(dtype=dtype),
        keras.layers.Dense(4, dtype=dtype),
    ])
    first, last = (
        golden.keep(f"{key}/{place}.weight_init", numpy_of(model.layers[place].kernel).T)
        for place in (0, 3)
    )
    layers = [
        {"type": "linear", "out": 16, "bias": False, "weight_init": first},
        {"type": "batch_norm"},
        {"type": "relu"},
        {"type": "linear", "out": 4, "weight_init": last},
    ]
    return model, layers


def training_case(
    golden: GoldenFile, batches: Dict, x: np.ndarray, target: np.ndarray, row: tuple, dtype: str
) -> None:
    """One hundred steps of dense, batch norm, relu, dense, sparse categorical cross-entropy."""
    name, wire, make_optimizer = row
    key = f"{name}_{dtype}"
    keras.config.set_floatx(dtype)
    model, layers = make_model(golden, key, dtype)
    optimizer = make_optimizer()
    optimizer.build(model.trainable_variables)
    function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
    losses = []
    for rows, labels in zip(x, target):
        logits = model(torch.from_numpy(rows.astype(dtype)), training=True)
        loss = function(torch.from_numpy(labels), logits)
        loss.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients)
        for variable in model.trainable_variables:
            variable.value.grad = None
        losses.append(loss.item())
    with torch.no_grad():
        logits = model(torch.from_numpy(x[0].astype(dtype)), training=False)
        final = function(torch.from_numpy(target[0]), logits).item()
    state = norm_state(golden, f"{key}/final", 1, model.layers[1])
    for place in (0, 3):
        kernel = numpy_of(model.layers[place].kernel).T
        state[f"{place}.weight"] = golden.keep(f"{key}/final/{place}.weight", kernel)
    state["3.bias"] = golden.keep(f"{key}/final/3.bias", numpy_of(model.layers[3].bias))
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": 10, "dtype": dtype, "convention": "keras",
            "loss": "cross_entropy", "optimizer": wire,
        },
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "eval_loss": final,
        "state": state,
        "bias_before_norm": False,
    })


def make() -> None:
    """Writes the two files."""
    torch.set_num_threads(1)
    golden = GoldenFile("batch_norm_keras", VERSIONS)
    for row in BATCH_NORMS:
        for dtype in DTYPES:
            batch_norm_case(golden, *row, dtype)
    golden.write()
    golden = GoldenFile("training_keras", VERSIONS)
    x, target = training_data(6, 100, 32, 10, 4)
    batches = compact_batches(golden, "batches", x, target)
    for row in OPTIMIZERS:
        for dtype in DTYPES:
            training_case(golden, batches, x, target, row, dtype)
    golden.write()
