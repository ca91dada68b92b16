# SPDX-License-Identifier: Apache-2.0
"""Softmax, and linear on x of three axes and more, from PyTorch and Keras 3 (torch backend): dense.

Each case is one forward and one backward step, as in make_layers.py; besides, classifiers that end
in a softmax are trained. Run it on its own: KERAS_BACKEND=torch python make_dense.py.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import keras
import numpy as np
import torch
from make_common import DTYPES, GRID, GoldenFile, on_grid, training_data
from make_layers import VERSIONS, Row, record
from torch import nn

L = keras.layers
SEQUENCE, CUBE, VECTORS, IMAGES = (4, 5, 6), (2, 3, 4, 5), (7, 9), (2, 4, 3, 5)

PYTORCH: List[Row] = [
    *[(f"{name}_{place}", lambda kind=kind, dim=dim: kind(dim), {"type": name, "dim": dim}, shape,
       shape[dim])
      for name, kind in (("softmax", nn.Softmax), ("log_softmax", nn.LogSoftmax))
      for place, dim, shape in (
          ("vectors", 1, VECTORS), ("last", -1, SEQUENCE), ("channels", 1, IMAGES),
          ("rows", -2, IMAGES))],
    # The longest sum is that of dW: over all rows.
    ("linear_vectors", lambda: nn.Linear(9, 5), {"type": "linear", "out": 5}, VECTORS, 9),
    ("linear_sequence", lambda: nn.Linear(6, 5), {"type": "linear", "out": 5}, SEQUENCE, 20),
    ("linear_sequence_without_bias", lambda: nn.Linear(6, 5, bias=False),
     {"type": "linear", "out": 5, "bias": False}, SEQUENCE, 20),
    ("linear_cube", lambda: nn.Linear(5, 3), {"type": "linear", "out": 3, "in": 5}, CUBE, 24),
]

KERAS: List[Row] = [
    ("softmax", L.Softmax, {"type": "softmax"}, VECTORS, 9),
    ("softmax_sequence", L.Softmax, {"type": "softmax"}, SEQUENCE, 6),
    ("softmax_axis", lambda: L.Softmax(axis=1), {"type": "softmax", "axis": 1}, IMAGES, 4),
    *[(f"activation_{name}", lambda name=name: L.Activation(name),
       {"type": "activation", "activation": name}, IMAGES, 5) for name in ("softmax", "log_softmax")],
    ("dense_vectors", lambda: L.Dense(5), {"type": "dense", "units": 5}, VECTORS, 9),
    ("dense_sequence", lambda: L.Dense(5), {"type": "dense", "units": 5}, SEQUENCE, 20),
    ("dense_cube", lambda: L.Dense(3, use_bias=False),
     {"type": "dense", "units": 3, "use_bias": False}, CUBE, 24),
]


def inputs(golden: GoldenFile, shape: tuple) -> np.ndarray:
    return on_grid(np.random.default_rng(len(golden.cases)).normal(size=shape) * 2)


def step(golden: GoldenFile, key: str, call: Callable, shape: tuple, dtype: str) -> Dict[str, Any]:
    """Forward and backward; gives the arrays of the case."""
    x = inputs(golden, shape)
    tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
    y = call(tensor)
    dy = on_grid(np.random.default_rng(1).normal(size=tuple(y.shape)))
    y.backward(torch.from_numpy(dy.astype(dtype)))
    return record(golden, key, {
        "x": x, "dy": dy, "y": y.detach().numpy(), "dx": tensor.grad.numpy()})


def add(golden: GoldenFile, key: str, row: Row, dtype: str, convention: str, layer: Dict,
        state: Dict[str, np.ndarray], arrays: Dict[str, Any]) -> None:
    golden.add({
        "name": key,
        "terms": row[4],
        "create": {
            "layers": [layer], "input": list(row[3][1:]), "dtype": dtype, "convention": convention,
            "optimizer": {"type": "sgd", "lr" if convention == "pytorch" else "learning_rate": 1.0},
        },
        "state": record(golden, f"{key}/state", state),
        **arrays,
    })


def pytorch_case(golden: GoldenFile, row: Row, dtype: str) -> None:
    key = f"pytorch_{row[0]}_{dtype}"
    torch.manual_seed(len(golden.cases))
    module = row[1]().to(getattr(torch, dtype))
    layer = dict(row[2])
    for part, value in module.state_dict().items():
        layer[f"{part}_init"] = golden.keep(f"{key}/{part}_init", value.numpy().copy())
    arrays = step(golden, key, module, row[3], dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= parameter.grad
    state = {f"0.{part}": value.numpy() for part, value in module.state_dict().items()}
    add(golden, key, row, dtype, "pytorch", layer, state, arrays)


def set_type(dtype: str) -> None:
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def keras_case(golden: GoldenFile, row: Row, dtype: str) -> None:
    key = f"keras_{row[0]}_{dtype}"
    set_type(dtype)
    keras.utils.set_random_seed(len(golden.cases))
    made = row[1]()
    made.build(row[3])
    layer = dict(row[2])
    for variable in made.weights:
        value = keras.ops.convert_to_numpy(variable).copy()
        layer[f"{variable.name}_initializer"] = golden.keep(f"{key}/{variable.name}_init", value)
    arrays = step(golden, key, made, row[3], dtype)
    state = {}
    for variable in made.weights:
        value = (variable.value - variable.value.grad).detach().numpy()
        kernel = variable.name == "kernel"
        state["0.weight" if kernel else "0.bias"] = np.ascontiguousarray(value.T)
    add(golden, key, row, dtype, "keras", layer, state, arrays)


# ---- Classifiers that end in a softmax, with the losses of probabilities ----

STEPS, ROWS, FEATURES, CLASSES = 20, 16, 6, 4


def classifier(golden: GoldenFile, name: str, time: int, loss: str, dtype: str) -> None:
    """Dense, ReLU, Dense, Softmax; with `time` above 0 on sequences of so many vectors."""
    key = f"train_{name}_{dtype}"
    set_type(dtype)
    keras.utils.set_random_seed(3)
    x, target = training_data(5, STEPS, ROWS * max(time, 1), FEATURES, CLASSES)
    if time:
        x = x.reshape(STEPS, ROWS, time, FEATURES)
        target = target.reshape(STEPS, ROWS, time)
    model = keras.Sequential([
        L.Input(x.shape[2:], dtype=dtype), L.Dense(8, activation="relu"),
        L.Dense(CLASSES, activation="softmax")])
    layers: List[Dict[str, Any]] = [
        {"type": "dense", "units": 8}, {"type": "relu"}, {"type": "dense", "units": CLASSES},
        {"type": "softmax"}]
    for place, dense in ((0, model.layers[0]), (2, model.layers[1])):
        kernel = keras.ops.convert_to_numpy(dense.kernel).copy()
        layers[place]["kernel_initializer"] = golden.keep(f"{key}/{place}", kernel)
    function = (keras.losses.SparseCategoricalCrossentropy(dtype=dtype) if loss.startswith("sparse")
                else keras.losses.CategoricalCrossentropy(dtype=dtype))
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    losses = []
    for rows, labels in zip(x, target):
        wanted = labels if loss.startswith("sparse") else np.eye(CLASSES, dtype=dtype)[labels]
        value = function(torch.from_numpy(wanted), model(rows.astype(dtype), training=True))
        value.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients)
        for variable in model.trainable_variables:
            variable.value.grad = None
        losses.append(value.item())
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": list(x.shape[2:]), "dtype": dtype, "convention": "keras",
            "loss": loss, "optimizer": {"type": "sgd", "learning_rate": 0.1},
        },
        "grid": GRID,
        "x": golden.keep(f"{key}/x", np.round(x * GRID).astype(np.int16)),
        "target": golden.keep(f"{key}/target", target.astype(np.int8)),
        "loss": golden.keep(f"{key}/loss", losses),
    })


def make() -> None:
    torch.set_num_threads(1)
    golden = GoldenFile("dense", VERSIONS)
    for dtype in DTYPES:
        for row in PYTORCH:
            pytorch_case(golden, row, dtype)
        for row in KERAS:
            keras_case(golden, row, dtype)
        classifier(golden, "labels", 0, "sparse_categorical_crossentropy", dtype)
        classifier(golden, "sequence_labels", 3, "sparse_categorical_crossentropy", dtype)
        classifier(golden, "one_hot", 0, "categorical_crossentropy", dtype)
    golden.write()


if __name__ == "__main__":
    make()
