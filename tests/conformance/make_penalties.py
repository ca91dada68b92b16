# SPDX-License-Identifier: Apache-2.0
"""Golden values of regularizers and constraints, by Keras 3: ten training steps each.

States are stored under PyTorch's names and shapes, which is what session.export gives.
"""

from __future__ import annotations

from typing import Any, Dict, List

import keras
import numpy as np
import torch
from make_common import DTYPES, GoldenFile, compact_batches, training_data
from make_keras import VERSIONS, norm_state, numpy_of

STEPS = 10
ADAM = ({"type": "adam", "lr": 0.05}, lambda: keras.optimizers.Adam(0.05))
SGD = ({"type": "sgd", "lr": 0.5, "momentum": 0.9},
       lambda: keras.optimizers.SGD(0.5, momentum=0.9))
CLIPPED = ({"type": "sgd", "lr": 0.5, "clipnorm": 0.25},
           lambda: keras.optimizers.SGD(0.5, clipnorm=0.25))

# Name, options of the dense layers and of the batch norm as the wire takes them, the optimizer.
CASES: List[tuple] = [
    ("l1", {"kernel_regularizer": "l1"}, {}, SGD),
    ("l2", {"kernel_regularizer": {"name": "l2", "l2": 0.05}}, {}, ADAM),
    ("l1_l2", {"kernel_regularizer": {"name": "l1_l2", "l1": 0.01, "l2": 0.02},
               "bias_regularizer": "l2"}, {}, SGD),
    ("norm_regularizers", {}, {"gamma_regularizer": {"name": "l2", "l2": 0.1},
                               "beta_regularizer": {"name": "l1", "l1": 0.05}}, SGD),
    ("clipped", {"kernel_regularizer": {"name": "l2", "l2": 0.2}},
     {"gamma_regularizer": "l1"}, CLIPPED),
    ("frozen", {"kernel_regularizer": "l2"}, {"gamma_regularizer": "l2", "trainable": False}, SGD),
    ("max_norm", {"kernel_constraint": {"name": "max_norm", "max_value": 0.75},
                  "bias_constraint": {"name": "max_norm", "max_value": 0.1}}, {}, ADAM),
    ("max_norm_rows", {"kernel_constraint": {"name": "max_norm", "max_value": 0.5, "axis": 1}}, {},
     SGD),
    ("non_neg", {"kernel_constraint": "non_neg"}, {"beta_constraint": "non_neg"}, SGD),
    ("unit_norm", {"kernel_constraint": "unit_norm"}, {"gamma_constraint": "unit_norm"}, SGD),
    ("unit_norm_of_all", {"kernel_constraint": {"name": "unit_norm", "axis": [0, 1]}}, {}, ADAM),
    ("min_max_norm", {"kernel_constraint": {"name": "min_max_norm", "min_value": 0.5,
                                            "max_value": 1.0, "rate": 0.5}},
     {"gamma_constraint": {"name": "min_max_norm", "min_value": 1.0, "max_value": 3.0}}, SGD),
    ("all_together", {"kernel_regularizer": "l1", "kernel_constraint": "max_norm",
                      "bias_regularizer": "l1", "bias_constraint": "non_neg"},
     {"gamma_regularizer": "l2", "gamma_constraint": "non_neg", "beta_regularizer": "l2",
      "beta_constraint": {"name": "max_norm", "max_value": 0.05}}, ADAM),
]

CLASSES = {
    "l1": keras.regularizers.L1, "l2": keras.regularizers.L2, "l1_l2": keras.regularizers.L1L2,
    "max_norm": keras.constraints.MaxNorm, "non_neg": keras.constraints.NonNeg,
    "unit_norm": keras.constraints.UnitNorm, "min_max_norm": keras.constraints.MinMaxNorm,
}


def made(options: Dict) -> Dict:
    """The options with Keras' objects for the wire's names and maps."""

    def one(value: Any) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return CLASSES[value]()
        return CLASSES[value["name"]](**{k: v for k, v in value.items() if k != "name"})

    return {key: one(value) for key, value in options.items()}


def penalty_case(golden: GoldenFile, batches: Dict, x: np.ndarray, target: np.ndarray, row: tuple,
                 dtype: str) -> None:
    """Dense, batch norm, relu, dense; the losses with the penalties, and the last state."""
    name, dense, norm, (wire, make_optimizer) = row
    key = f"{name}_{dtype}"
    keras.config.set_floatx(dtype)
    keras.utils.set_random_seed(11)
    # A bias before a batch norm has a gradient of rounding noise alone.
    kernel = {key: value for key, value in dense.items() if key.startswith("kernel")}
    model = keras.Sequential([
        keras.Input((6,), dtype=dtype),
        keras.layers.Dense(8, use_bias=False, dtype=dtype, **made(kernel)),
        keras.layers.BatchNormalization(dtype=dtype, **made(norm)),
        keras.layers.ReLU(dtype=dtype),
        keras.layers.Dense(3, dtype=dtype, **made(dense)),
    ])
    layers: List[Dict[str, Any]] = [
        {"type": "linear", "out": 8, "use_bias": False, **kernel},
        {"type": "batch_norm", **norm}, {"type": "relu"}, {"type": "linear", "out": 3, **dense},
    ]
    for place in (0, 3):
        values = numpy_of(model.layers[place].kernel)
        layers[place]["kernel_initializer"] = golden.keep(f"{key}/{place}.kernel", values)
    optimizer = make_optimizer()
    optimizer.build(model.trainable_variables)
    function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
    losses = []

    def loss_of(rows: np.ndarray, labels: np.ndarray, training: bool) -> torch.Tensor:
        logits = model(torch.from_numpy(rows.astype(dtype)), training=training)
        loss = function(torch.from_numpy(labels), logits)
        for penalty in model.losses:
            loss = loss + penalty
        return loss

    for rows, labels in zip(x, target):
        loss = loss_of(rows, labels, True)
        loss.backward()
        with torch.no_grad():
            optimizer.apply([variable.value.grad for variable in model.trainable_variables])
        for variable in model.variables:
            variable.value.grad = None
        losses.append(loss.item())
    with torch.no_grad():
        final = loss_of(x[0], target[0], False).item()
    state = norm_state(golden, f"{key}/final", 1, model.layers[1])
    for place in (0, 3):
        values = numpy_of(model.layers[place].kernel).T
        state[f"{place}.weight"] = golden.keep(f"{key}/final/{place}.weight", values)
    state["3.bias"] = golden.keep(f"{key}/final/3.bias", numpy_of(model.layers[3].bias))
    golden.add({
        "name": f"penalties_{key}",
        "create": {
            "layers": layers, "input": 6, "dtype": dtype, "convention": "keras",
            "loss": "cross_entropy", "optimizer": wire,
        },
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "eval_loss": final,
        "state": state,
    })


def make() -> None:
    """Writes the file."""
    torch.set_num_threads(1)
    golden = GoldenFile("penalties_keras", VERSIONS)
    x, target = training_data(12, STEPS, 16, 6, 3)
    batches = compact_batches(golden, "batches", x, target)
    for row in CASES:
        for dtype in DTYPES:
            penalty_case(golden, batches, x, target, row, dtype)
    golden.write()


if __name__ == "__main__":
    make()
