# SPDX-License-Identifier: Apache-2.0
"""A random small model with a random loss and optimizer, trained by Keras and by the daemon.

As model_case.py, in Keras' convention and words.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple

import keras
import make_batch_norm_options  # noqa: F401  lets Keras keep float64
import numpy as np
import torch
from model_case import EPS, close, nothing, one_of, options_of, pick

CLASSES = 4
F64 = "float64"
Row = Tuple[Callable[[np.random.Generator], Dict], Callable[[Dict], Any]]

ACTIVATIONS: Dict[str, Row] = {
    "activation": (one_of(activation=["relu", "tanh", "sigmoid", "softplus", "silu", "gelu", "elu",
                                      "selu", "relu6", "hard_silu"]),
                   lambda o: keras.layers.Activation(o["activation"], dtype=F64)),
}
NORMS: Dict[str, Row] = {
    "batch_norm": (one_of(epsilon=[1e-3, 1e-2], momentum=[0.99, 0.5], scale=[True, False]),
                   lambda o: keras.layers.BatchNormalization(dtype=F64, **o)),
    "layer_norm": (one_of(epsilon=[1e-3, 1e-2]),
                   lambda o: keras.layers.LayerNormalization(dtype=F64, **o)),
}
DENSE: Row = (one_of(units=[4, 6, 8]),
              lambda o: keras.layers.Dense(o["units"], use_bias=o["use_bias"], dtype=F64))
TABLE = {**ACTIVATIONS, **NORMS, "linear": DENSE}
LOSSES: Dict[str, Row] = {
    "sparse_categorical_crossentropy": (
        one_of(from_logits=[True]),
        lambda o: keras.losses.SparseCategoricalCrossentropy(dtype=F64, **o)),
    "binary_crossentropy": (
        one_of(from_logits=[True], label_smoothing=[0.0, 0.2]),
        lambda o: keras.losses.BinaryCrossentropy(dtype=F64, **o)),
    "mean_squared_error": (nothing, lambda o: keras.losses.MeanSquaredError(dtype=F64)),
    "huber": (one_of(delta=[1.0, 0.3]), lambda o: keras.losses.Huber(dtype=F64, **o)),
}
OPTIMIZERS: Dict[str, Row] = {
    "sgd": (one_of(learning_rate=[0.05], momentum=[0.0, 0.9], nesterov=[False, True]),
            lambda o: keras.optimizers.SGD(**o)),
    "adam": (one_of(learning_rate=[1e-2], beta_1=[0.9, 0.8], epsilon=EPS,
                    amsgrad=[False, True]), lambda o: keras.optimizers.Adam(**o)),
    "adamw": (one_of(learning_rate=[1e-2], weight_decay=[0.004, 0.1], epsilon=EPS),
              lambda o: keras.optimizers.AdamW(**o)),
    "rmsprop": (one_of(learning_rate=[1e-3], rho=[0.9, 0.5], momentum=[0.0, 0.5], epsilon=EPS),
                lambda o: keras.optimizers.RMSprop(**o)),
    "adagrad": (one_of(learning_rate=[0.05], epsilon=EPS),
                lambda o: keras.optimizers.Adagrad(**o)),
    "nadam": (one_of(learning_rate=[1e-2], epsilon=EPS), lambda o: keras.optimizers.Nadam(**o)),
}


def draw(random: np.random.Generator) -> Dict[str, Any]:
    """A case that JSON can hold."""
    layers: List[Dict[str, Any]] = []
    for _ in range(int(random.integers(1, 4))):
        norm = pick(random, NORMS) if random.random() < 0.7 else None
        layers.append({"type": "linear", **DENSE[0](random),
                       "use_bias": norm is None and bool(random.integers(2))})
        layers += ([norm] if norm else []) + [pick(random, ACTIVATIONS)]
    layers.append({"type": "linear", "units": CLASSES, "use_bias": True})
    return {
        "kind": "keras", "input": 5, "layers": layers, "loss": pick(random, LOSSES),
        "optimizer": pick(random, OPTIMIZERS), "rows": int(random.integers(4, 13)),
        "steps": int(random.integers(1, 9)), "data_seed": int(random.integers(2**31)),
    }


def build(case: Dict[str, Any]) -> Tuple[Any, List[Dict[str, Any]]]:
    """Keras' model, and the wire's layers with the same initial values."""
    keras.config.set_floatx(F64)
    keras.utils.set_random_seed(case["data_seed"])
    layers = [TABLE[layer["type"]][1](options_of(layer)) for layer in case["layers"]]
    model = keras.Sequential([keras.Input((case["input"],), dtype=F64), *layers])
    wire = []
    for layer, made in zip(case["layers"], layers):
        given = dict(layer)
        if layer["type"] == "linear":
            given["kernel_initializer"] = keras.ops.convert_to_numpy(made.kernel).copy()
        wire.append(given)
    return model, wire


def target_of(case: Dict[str, Any], random: np.random.Generator) -> np.ndarray:
    """What the loss takes."""
    kind = case["loss"]["type"]
    if kind.startswith("sparse"):
        return random.integers(0, CLASSES, case["rows"])
    if kind.startswith("binary"):
        return random.integers(0, 2, (case["rows"], CLASSES)).astype(np.float64)
    return random.normal(size=(case["rows"], CLASSES))


def check(rpc: Any, case: Dict[str, Any]) -> None:
    """Raises where the loss of a step, or the outputs at the end, differ."""
    random = np.random.default_rng(case["data_seed"])
    model, wire = build(case)
    function = LOSSES[case["loss"]["type"]][1](options_of(case["loss"]))
    optimizer = OPTIMIZERS[case["optimizer"]["type"]][1](options_of(case["optimizer"]))
    optimizer.build(model.trainable_variables)
    rpc.call("session.create", session="live", if_exists="replace", layers=wire,
             input=case["input"], dtype=F64, loss=case["loss"], optimizer=case["optimizer"],
             convention="keras")
    x = np.zeros(())
    for step in range(case["steps"]):
        x = random.normal(size=(case["rows"], case["input"]))
        target = target_of(case, random)
        loss = function(torch.from_numpy(target), model(torch.from_numpy(x), training=True))
        loss.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients)
        for variable in model.trainable_variables:
            variable.value.grad = None
        answer = rpc.call("train", session="live", x=x, target=target)
        close(case, answer["loss"], loss.item(), f"loss of step {step}")
    with torch.no_grad():
        want = model(torch.from_numpy(x), training=False).numpy()
    close(case, rpc.call("infer", session="live", x=x)["y"], want, "outputs")


def simpler(case: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Cases with less in them."""
    if case["steps"] > 1:
        yield {**case, "steps": 1}
        yield {**case, "steps": case["steps"] - 1}
    for place, layer in enumerate(case["layers"][:-1]):
        if layer["type"] != "linear":
            yield {**case, "layers": case["layers"][:place] + case["layers"][place + 1:]}
    if case["loss"]["type"] != "mean_squared_error":
        yield {**case, "loss": {"type": "mean_squared_error"}}
    if case["optimizer"] != {"type": "sgd", "learning_rate": 0.05}:
        yield {**case, "optimizer": {"type": "sgd", "learning_rate": 0.05}}
