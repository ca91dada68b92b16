# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's and Keras' golden values for renormalization, virtual batches and masks.

    TF_USE_LEGACY_KERAS=1 KERAS_BACKEND=tensorflow python make_renorm.py

Needs tensorflow, tf_keras (Keras 2) and keras 3; the tests need none of them. Three sources: the
layer of tf.compat.v1 in a graph, that of Keras 2, and that of Keras 3 on TensorFlow, where float64
stays float64. All are of float64: what a session of float32 gives is compared with the same numbers,
within its own rounding. TensorFlow makes float32 tensors of Python floats, of 1 - momentum and of the
root of epsilon, in layers of float64 too; so these numbers are given as NumPy's float64.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
from make_common import GoldenFile, on_grid  # noqa: E402

VERSIONS = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "tensorflow": tf.__version__,
    "tf_keras": tf_keras.__version__,
    "keras": keras.__version__,
}
STEPS = 10
RATES = {"weight_lr": 0.5, "bias_lr": 0.125}
CLIP = {"rmax": 1.25, "rmin": 0.75, "dmax": 0.5}

# Name, shape, options as both sides take them.
RENORMS = [
    ("rows", (12, 5), {}),
    ("clipped", (12, 5), {"renorm_clipping": CLIP, "renorm_momentum": 0.5}),
    ("clipped_above", (9, 4), {"renorm_clipping": {"rmax": 1.5}, "renorm_momentum": 0.9}),
    ("clipped_shift", (9, 4), {"renorm_clipping": {"dmax": 0.25}, "momentum": 0.5}),
    ("signals", (4, 5, 3), {"renorm_momentum": 0.8, "momentum": 0.75}),
    ("images", (3, 2, 4, 3), {"renorm_momentum": 0.75}),
    ("channels_first", (3, 4, 2, 3), {"axis": 1, "renorm_momentum": 0.75}),
    ("volumes", (2, 3, 2, 2, 3), {"renorm_momentum": 0.75, "renorm_clipping": CLIP}),
    ("not_scaled", (8, 3), {"scale": False, "renorm_momentum": 0.9}),
    ("not_centered", (8, 3), {"center": False, "renorm_momentum": 0.9}),
    ("plain", (8, 3), {"scale": False, "center": False, "renorm_momentum": 0.9, "epsilon": 0.1}),
    ("initial", (8, 3), {"renorm_momentum": 0.9, "moving": True}),
]
VIRTUALS = [
    ("rows", (12, 5), 4, {"momentum": 0.75}),
    ("signals", (12, 3, 4), 3, {}),
    ("images", (6, 2, 3, 4), 2, {"momentum": 0.9}),
    ("channels_first", (8, 4, 3), 4, {"axis": 1}),
    ("images_first", (6, 3, 2, 4), 3, {"axis": 1, "epsilon": 0.1}),
    ("volumes", (4, 3, 2, 2, 3), 2, {}),
    ("volumes_first", (4, 3, 2, 2, 3), 2, {"axis": 1}),
    ("single", (6, 4, 3), 1, {}),
    ("one", (6, 4), 6, {"momentum": 0.5}),
    ("not_scaled", (8, 3), 2, {"scale": False}),
    ("not_centered", (8, 3), 4, {"center": False}),
    ("renorm", (12, 5), 4, {"renorm": True, "renorm_clipping": CLIP, "renorm_momentum": 0.75}),
    ("renorm_signals", (8, 3, 4), 4, {"renorm": True, "renorm_momentum": 0.75}),
]
MASKS = [
    ("rows", (12, 5), {}),
    ("signals", (6, 7, 3), {"momentum": 0.75}),
    ("images", (3, 4, 5, 3), {}),
    ("volumes", (2, 3, 2, 4, 3), {"momentum": 0.9}),
    ("one_position", (4, 3, 2), {}),
    ("renorm", (6, 5, 3), {"renorm": True, "renorm_momentum": 0.75}),
    ("renorm_clipped", (6, 5, 3),
     {"renorm": True, "renorm_momentum": 0.75, "renorm_clipping": CLIP}),
]
NAMES = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance", "running_std": "moving_stddev",
    "renorm_mean": "renorm_mean", "renorm_std": "renorm_stddev",
}


class Eager:
    """A layer of Keras 2 or 3."""

    def __init__(self, kind: Any, shape: tuple, options: Dict[str, Any]) -> None:
        self.layer = kind(dtype="float64", **options)
        self.layer.build(shape)

    def variable(self, name: str) -> Optional[Any]:
        """By its name in Keras."""
        return getattr(self.layer, name, None)

    def assign(self, name: str, values: np.ndarray) -> None:
        """Sets a variable of one value a channel."""
        variable = self.variable(name)
        variable.assign(values.reshape(variable.shape))

    def value(self, name: str) -> Optional[np.ndarray]:
        """A variable's values, one a channel."""
        variable = self.variable(name)
        return None if variable is None else np.asarray(variable).reshape(-1).copy()

    def step(self, x: np.ndarray, dy: np.ndarray, mask: Optional[np.ndarray]) -> tuple:
        """Forward and backward: y, dx, and the gradients of gamma and beta."""
        tensor = tf.constant(x.astype(np.float64))
        variables = [v for v in map(self.variable, ("gamma", "beta")) if v is not None]
        variables = [getattr(v, "value", v) if isinstance(v, keras.Variable) else v
                     for v in variables]
        kept = {} if mask is None else {"mask": tf.constant(mask)}
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            y = self.layer(tensor, training=True, **kept)
        dx, *gradients = tape.gradient(
            y, [tensor, *variables], output_gradients=tf.constant(dy.astype(np.float64)))
        return y.numpy(), dx.numpy(), [g.numpy().reshape(-1) for g in gradients]

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Inference mode."""
        return self.layer(tf.constant(x.astype(np.float64)), training=False).numpy()


class Graph:
    """tf.compat.v1.layers.BatchNormalization in a graph of its own."""

    def __init__(self, shape: tuple, options: Dict[str, Any]) -> None:
        v1 = tf.compat.v1
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.layer = v1.layers.BatchNormalization(dtype=tf.float64, **options)
            self.x = v1.placeholder(tf.float64, shape)
            self.dy = v1.placeholder(tf.float64, shape)
            self.y = self.layer(self.x, training=True)
            self.updates = self.layer.updates
            self.eval_y = self.layer(self.x, training=False)
            learned = [v for v in (self.layer.gamma, self.layer.beta) if v is not None]
            self.gradients = v1.gradients(self.y, [self.x, *learned], grad_ys=self.dy)
            self.session = v1.Session(graph=self.graph)
            self.session.run(v1.global_variables_initializer())

    def assign(self, name: str, values: np.ndarray) -> None:
        """Sets a variable of one value a channel."""
        variable = getattr(self.layer, name)
        with self.graph.as_default():
            variable.load(values.reshape(variable.shape), self.session)

    def value(self, name: str) -> Optional[np.ndarray]:
        """A variable's values, one a channel."""
        variable = getattr(self.layer, name, None)
        return None if variable is None else self.session.run(variable).reshape(-1)

    def step(self, x: np.ndarray, dy: np.ndarray, mask: None) -> tuple:
        """Forward and backward: y, dx, and the gradients of gamma and beta."""
        assert mask is None
        y, gradients, _ = self.session.run(
            [self.y, self.gradients, self.updates], {self.x: x, self.dy: dy})
        return y, gradients[0], [g.reshape(-1) for g in gradients[1:]]

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Inference mode."""
        return self.session.run(self.eval_y, {self.x: x})


SOURCES = {
    "compat_v1": Graph,
    "keras2": lambda *given: Eager(tf_keras.layers.BatchNormalization, *given),
    "keras3": lambda *given: Eager(keras.layers.BatchNormalization, *given),
}


def state(layer: Any) -> Dict[str, np.ndarray]:
    """The layer's variables under the names of session.export."""
    values = {f"0.{name}": layer.value(keras_name) for name, keras_name in NAMES.items()}
    return {name: value for name, value in values.items() if value is not None}


def learn(layer: Any, gradients: List[np.ndarray]) -> None:
    """One step of gradient descent on gamma and beta."""
    left = list(gradients)
    for name, rate in (("gamma", "weight_lr"), ("beta", "bias_lr")):
        if layer.value(name) is not None:
            layer.assign(name, layer.value(name) - RATES[rate] * left.pop(0))


def start(golden: GoldenFile, key: str, layer: Any, features: int, random: Any, moving: bool) -> Dict:
    """Draws initial values, sets them, and gives the options that set them in a session."""
    wire = {}
    for name, at in (("weight", 1.0), ("bias", 0.0)):
        if layer.value(NAMES[name]) is not None:
            values = on_grid(random.normal(at, 0.5, features)).astype(np.float64)
            layer.assign(NAMES[name], values)
            wire[f"{name}_init"] = golden.keep(f"{key}/{name}_init", values)
    if moving:
        mean = on_grid(random.normal(0.5, 0.5, features)).astype(np.float64)
        variance = on_grid(random.uniform(0.5, 2, features)).astype(np.float64)
        for name in ("moving_mean", "renorm_mean"):
            layer.assign(name, mean)
        layer.assign("moving_variance", variance)
        for name in ("moving_stddev", "renorm_stddev"):
            layer.assign(name, np.sqrt(variance))
        wire["running_mean_init"] = golden.keep(f"{key}/running_mean_init", mean)
        wire["running_var_init"] = golden.keep(f"{key}/running_var_init", variance)
    return wire


def draw_mask(random: Any, shape: tuple, name: str) -> np.ndarray:
    """Some positions, at least one; in the case of that name just one."""
    mask = random.random(shape[:-1]) < 0.6
    if name == "one_position":
        mask[...] = False
    mask.flat[random.integers(mask.size)] = True
    return mask


def framework_options(options: Dict[str, Any]) -> Dict[str, Any]:
    """The options, with all numbers of float64's type."""
    defaults = {"epsilon": 1e-3, "momentum": 0.99}
    if options.get("renorm"):
        defaults["renorm_momentum"] = 0.99
    numbers = {key: np.float64(options.get(key, value)) for key, value in defaults.items()}
    return {**options, **numbers}


def add_case(
    golden: GoldenFile, source: str, name: str, shape: tuple, options: Dict, masked: bool = False
) -> None:
    """Ten steps of forward, backward and gradient descent on gamma and beta, then inference.

    Arrays of all steps are stored as one.
    """
    options = dict(options)
    moving = options.pop("moving", False)
    random = np.random.default_rng(500 + len(golden.cases))
    key, features = f"{source}_{name}", shape[options.get("axis", -1)]
    layer = SOURCES[source](shape, framework_options(options))
    wire = {"type": "batch_norm", "features": features, **options}
    wire.update(start(golden, key, layer, features, random, moving))
    case: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": [wire], "input": list(shape[1:]), "convention": "keras",
            "optimizer": {"type": "sgd", "lr": 1.0, **RATES},
        },
    }
    records = []
    for _ in range(STEPS):
        spread = random.uniform(0.5, 2.0)
        record = {
            "x": on_grid(random.normal(random.uniform(-1, 1), spread, shape)),
            "dy": on_grid(random.normal(0, 0.25, shape)),
        }
        if masked:
            record["mask"] = draw_mask(random, shape, name)
        record["y"], record["dx"], gradients = layer.step(
            record["x"], record["dy"], record.get("mask"))
        learn(layer, gradients)
        record.update(state(layer))
        records.append(record)
    for part in records[0]:
        case[part] = golden.keep(f"{key}/{part}", np.stack([record[part] for record in records]))
    x = on_grid(random.normal(0.5, 1, shape))
    case["eval_x"] = golden.keep(f"{key}/eval_x", x)
    case["eval_y"] = golden.keep(f"{key}/eval_y", layer.infer(x))
    golden.add(case)


def make() -> None:
    """Writes the files."""
    keras.config.set_floatx("float64")
    tf_keras.backend.set_floatx("float64")
    for source in SOURCES:
        golden = GoldenFile(f"renorm_{source}", VERSIONS)
        for name, shape, options in RENORMS:
            add_case(golden, source, f"renorm_{name}", shape, {"renorm": True, **options})
        golden.write()
    for source in ("compat_v1", "keras2"):
        golden = GoldenFile(f"renorm_virtual_{source}", VERSIONS)
        for name, shape, size, options in VIRTUALS:
            options = {"virtual_batch_size": size, **options}
            add_case(golden, source, f"virtual_{name}", shape, options)
        golden.write()
    golden = GoldenFile("renorm_mask_keras3", VERSIONS)
    for name, shape, options in MASKS:
        add_case(golden, "keras3", f"mask_{name}", shape, options, masked=True)
    golden.write()


if __name__ == "__main__":
    make()
