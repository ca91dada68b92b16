# SPDX-License-Identifier: Apache-2.0
"""Golden values of training a masked model end to end, by Keras 3: ten steps, then inference.

States are stored under PyTorch's names and shapes, which is what session.export gives. Run it on
its own: KERAS_BACKEND=torch python make_masked_training.py
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from make_common import DTYPES, GoldenFile, on_grid  # noqa: E402
from make_keras import VERSIONS, norm_state, numpy_of  # noqa: E402

STEPS, ROWS, TIMES, FEATURES, CLASSES = 10, 12, 5, 3, 4
ADAM = ({"type": "adam", "learning_rate": 0.02}, lambda: keras.optimizers.Adam(0.02))
SGD = ({"type": "sgd", "learning_rate": 0.2}, lambda: keras.optimizers.SGD(0.2))

# Name, options of the batch norm on both sides, optimizer, whether rows without a true position
# are taken out of the loss by a sample weight of 0.
CASES = [
    ("masked_adam", {}, ADAM, False),
    ("masked_sgd_weighted", {"momentum": 0.5, "epsilon": 0.01}, SGD, True),
    ("masked_not_scaled", {"scale": False}, SGD, False),
]


def masks(random: np.random.Generator) -> np.ndarray:
    """Lengths of sequences, of which some are 0."""
    lengths = random.integers(0, TIMES + 1, (STEPS, ROWS, 1))
    return np.arange(TIMES) < lengths


def add_case(golden: GoldenFile, data: Dict[str, np.ndarray], row: tuple, dtype: str) -> None:
    """Batch norm under the mask, relu, flatten, dense."""
    name, options, (wire, make_optimizer), weighted = row
    key = f"{name}_{dtype}"
    keras.config.set_floatx(dtype)
    keras.utils.set_random_seed(5)
    norm = keras.layers.BatchNormalization(dtype=dtype, **options)
    dense = keras.layers.Dense(CLASSES, dtype=dtype)
    norm.build((None, TIMES, FEATURES))
    dense.build((None, TIMES * FEATURES))
    variables = norm.trainable_variables + dense.trainable_variables
    optimizer = make_optimizer()
    optimizer.build(variables)
    function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)

    def loss_of(step: int, training: bool, weight: Optional[np.ndarray]) -> Any:
        x = torch.from_numpy(data["x"][step].astype(dtype))
        y = norm(x, training=training, mask=torch.from_numpy(data["mask"][step]))
        logits = dense(keras.ops.reshape(keras.ops.relu(y), (ROWS, TIMES * FEATURES)))
        sent = None if weight is None else torch.from_numpy(weight)
        return function(torch.from_numpy(data["target"][step]), logits, sample_weight=sent)

    kernel = numpy_of(dense.kernel)
    record: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": [
                {"type": "batch_norm", **options}, {"type": "relu"}, {"type": "flatten"},
                {"type": "linear", "units": CLASSES,
                 "kernel_initializer": golden.keep(f"{key}/kernel", kernel)},
            ],
            "input": [TIMES, FEATURES], "dtype": dtype, "convention": "keras",
            "loss": {"type": "sparse_categorical_crossentropy", "from_logits": True},
            "optimizer": wire,
        },
        "weighted": weighted,
        "data": {part: {"$array": part} for part in data},
    }
    losses, evaluated = [], []
    for step in range(STEPS):
        weight = data["mask"][step].any(axis=-1).astype(dtype) if weighted else None
        with torch.no_grad():
            evaluated.append(loss_of(step, False, weight).item())
        loss = loss_of(step, True, weight)
        loss.backward()
        with torch.no_grad():
            optimizer.apply([variable.value.grad for variable in variables])
        for variable in variables:
            variable.value.grad = None
        losses.append(loss.item())
    record["loss"] = golden.keep(f"{key}/loss", losses)
    record["eval_loss"] = golden.keep(f"{key}/eval_loss", evaluated)
    state = norm_state(golden, f"{key}/final", 0, norm)
    state["3.weight"] = golden.keep(f"{key}/final/3.weight", numpy_of(dense.kernel).T)
    state["3.bias"] = golden.keep(f"{key}/final/3.bias", numpy_of(dense.bias))
    record["state"] = state
    golden.add(record)


def make() -> None:
    """Writes the file."""
    torch.set_num_threads(1)
    golden = GoldenFile("masked_training_keras", VERSIONS)
    random = np.random.default_rng(17)
    data = {
        "x": on_grid(random.normal(0.5, 1.5, (STEPS, ROWS, TIMES, FEATURES))),
        "mask": masks(random),
        "target": random.integers(0, CLASSES, (STEPS, ROWS)),
    }
    for part, values in data.items():
        golden.keep(part, values)
    for row in CASES:
        for dtype in DTYPES:
            add_case(golden, data, row, dtype)
    golden.write()


if __name__ == "__main__":
    make()
