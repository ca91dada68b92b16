# SPDX-License-Identifier: Apache-2.0
"""The layers' golden values from PyTorch and Keras 3 (torch backend): layers_pytorch, layers_keras.

Each case is one forward and one backward step; SGD with rate 1 makes the gradients visible in the
state. Then a small convolutional network is trained on the demo's digits. Run by make_golden.py, or by itself.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes as keras_dtypes
from make_common import DTYPES, GoldenFile, on_grid
from torch import nn

VERSIONS = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "torch": torch.__version__,
    "keras": keras.__version__,
    "keras backend": f"{keras.backend.backend()} {torch.__version__}",
}

# Else Keras makes float32 of float64 on every backend but TensorFlow's.
keras_dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

VECTORS = (7, 9)
IMAGES = (3, 4, 6, 5)
SMALL = (5, 2, 4, 4)

# Name, the module, the layer's options, the input's shape, terms of its longest sum.
Row = Tuple[str, Callable[[], nn.Module], Dict[str, Any], tuple, int]


def functions(place: tuple) -> List[Row]:
    """The functions of one element."""
    return [
        ("relu", nn.ReLU, {"type": "relu"}, place, 1),
        ("leaky_relu", nn.LeakyReLU, {"type": "leaky_relu"}, place, 1),
        ("leaky_relu_slope", lambda: nn.LeakyReLU(0.2),
         {"type": "leaky_relu", "negative_slope": 0.2}, place, 1),
        ("relu6", nn.ReLU6, {"type": "relu6"}, place, 1),
        ("elu", nn.ELU, {"type": "elu"}, place, 1),
        ("elu_alpha", lambda: nn.ELU(0.5), {"type": "elu", "alpha": 0.5}, place, 1),
        ("selu", nn.SELU, {"type": "selu"}, place, 1),
        ("gelu", nn.GELU, {"type": "gelu"}, place, 1),
        # Its gradient takes 1 - tanh^2, rounded against 1, times x + x^3 / 8 or so.
        ("gelu_tanh", lambda: nn.GELU("tanh"), {"type": "gelu", "approximate": "tanh"}, place, 4),
        ("silu", nn.SiLU, {"type": "silu"}, place, 1),
        ("hardswish", nn.Hardswish, {"type": "hardswish"}, place, 1),
        ("tanh", nn.Tanh, {"type": "tanh"}, place, 1),
        ("sigmoid", nn.Sigmoid, {"type": "sigmoid"}, place, 1),
        ("softplus", nn.Softplus, {"type": "softplus"}, place, 1),
        ("softplus_cut", lambda: nn.Softplus(2.0, 1.0),
         {"type": "softplus", "beta": 2.0, "threshold": 1.0}, place, 1),
        ("dropout_none", lambda: nn.Dropout(0.0), {"type": "dropout", "p": 0.0}, place, 1),
        ("dropout_all", lambda: nn.Dropout(1.0), {"type": "dropout", "p": 1.0}, place, 1),
    ]


def convolution(name: str, shape: tuple, out: int, **options: Any) -> Row:
    """A convolution; the longest sum is that of dW, over all pixels of the output."""
    wire = {"type": "conv2d", "out": out, **options}
    terms = shape[0] * shape[2] * shape[3] * 4
    return name, lambda: nn.Conv2d(shape[1], out, **options), wire, shape, terms


PYTORCH: List[Row] = functions(VECTORS) + [
    ("flatten", nn.Flatten, {"type": "flatten"}, IMAGES, 1),
    ("flatten_from_2", lambda: nn.Flatten(2), {"type": "flatten", "start_dim": 2}, IMAGES, 1),
    ("max_pool", lambda: nn.MaxPool2d(2), {"type": "max_pool2d", "kernel_size": 2}, IMAGES, 4),
    ("max_pool_overlapping", lambda: nn.MaxPool2d(3, 1, 1),
     {"type": "max_pool2d", "kernel_size": 3, "stride": 1, "padding": 1}, IMAGES, 9),
    ("max_pool_sides", lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 0)),
     {"type": "max_pool2d", "kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0]}, IMAGES, 6),
    ("avg_pool", lambda: nn.AvgPool2d(2), {"type": "avg_pool2d", "kernel_size": 2}, IMAGES, 4),
    ("avg_pool_padded", lambda: nn.AvgPool2d(3, 2, 1),
     {"type": "avg_pool2d", "kernel_size": 3, "stride": 2, "padding": 1}, IMAGES, 9),
    ("avg_pool_of_what_is_there", lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
     {"type": "avg_pool2d", "kernel_size": 3, "stride": 2, "padding": 1,
      "count_include_pad": False}, IMAGES, 9),
    ("global_avg_pool", lambda: nn.AdaptiveAvgPool2d(1), {"type": "global_avg_pool2d"}, IMAGES, 30),
    convolution("conv", IMAGES, 3, kernel_size=3),
    convolution("conv_without_bias", IMAGES, 3, kernel_size=3, bias=False),
    convolution("conv_padded", SMALL, 5, kernel_size=3, padding=1),
    convolution("conv_same", IMAGES, 3, kernel_size=4, padding="same"),
    convolution("conv_strided", IMAGES, 3, kernel_size=3, stride=2, padding=1),
    convolution("conv_sides", IMAGES, 3, kernel_size=(2, 3), stride=(1, 2), padding=(0, 1)),
    convolution("conv_dilated", IMAGES, 3, kernel_size=2, dilation=2, padding=1),
    convolution("conv_groups", IMAGES, 6, kernel_size=3, groups=2),
    convolution("conv_depthwise", IMAGES, 4, kernel_size=3, padding=1, groups=4),
    convolution("conv_1x1", IMAGES, 5, kernel_size=1),
    convolution("conv_1x1_strided", IMAGES, 5, kernel_size=1, stride=2),
]


def data(golden: GoldenFile, key: str, shape: tuple) -> np.ndarray:
    """Numbers of order 1, some beyond what the functions' knees are at."""
    random = np.random.default_rng(len(golden.cases))
    return on_grid(random.normal(size=shape) * (2.5 if len(shape) == 2 else 1.0))


def record(golden: GoldenFile, key: str, values: Dict[str, np.ndarray]) -> Dict[str, Any]:
    return {name: golden.keep(f"{key}/{name}", value) for name, value in values.items()}


def pytorch_case(golden: GoldenFile, row: Row, dtype: str) -> None:
    name, make, wire, shape, terms = row
    key = f"{name}_{dtype}"
    torch.manual_seed(len(golden.cases))
    module = make().to(getattr(torch, dtype))
    layer = dict(wire)
    for part, value in module.state_dict().items():
        layer[f"{part}_init"] = golden.keep(f"{key}/{part}_init", value.numpy().copy())
    x = data(golden, key, shape)
    tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
    y = module(tensor)
    dy = on_grid(np.random.default_rng(1).normal(size=tuple(y.shape)))
    y.backward(torch.from_numpy(dy.astype(dtype)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= parameter.grad
    state = {f"0.{part}": value.numpy() for part, value in module.state_dict().items()}
    golden.add({
        "name": key,
        "terms": terms,
        "create": {
            "layers": [layer], "input": list(shape[1:]), "dtype": dtype, "convention": "pytorch",
            "optimizer": {"type": "sgd", "lr": 1.0},
        },
        "state": record(golden, f"{key}/state", state),
        **record(golden, key, {
            "x": x, "dy": dy, "y": y.detach().numpy(), "dx": tensor.grad.numpy()}),
    })


L = keras.layers
LAST = (3, 6, 5, 4)

# Name, the layer, the layer's options, the input's shape, terms.
KERAS: List[Row] = [
    ("relu", L.ReLU, {"type": "relu"}, VECTORS, 1),
    ("leaky_relu", L.LeakyReLU, {"type": "leaky_relu"}, VECTORS, 1),
    ("activation_leaky_relu", lambda: L.Activation("leaky_relu"),
     {"type": "activation", "activation": "leaky_relu"}, VECTORS, 1),
    ("elu", L.ELU, {"type": "elu"}, VECTORS, 1),
    *[(f"activation_{name}", lambda name=name: L.Activation(name),
       {"type": "activation", "activation": name}, VECTORS, 1)
      for name in ("relu", "relu6", "elu", "selu", "gelu", "silu", "swish", "hard_swish",
                   "hard_silu", "tanh", "sigmoid", "softplus")],
    ("gelu_approximate", lambda: L.Activation(lambda x: keras.activations.gelu(x, True)),
     {"type": "gelu", "approximate": True}, VECTORS, 1),
    ("dropout_none", lambda: L.Dropout(0.0), {"type": "dropout", "rate": 0.0}, VECTORS, 1),
    ("flatten", L.Flatten, {"type": "flatten"}, LAST, 1),
    ("max_pool", L.MaxPooling2D, {"type": "max_pooling2d"}, LAST, 4),
    ("max_pool_same", lambda: L.MaxPooling2D(3, 2, "same"),
     {"type": "max_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"}, LAST, 9),
    ("avg_pool", lambda: L.AveragePooling2D(2), {"type": "average_pooling2d", "pool_size": 2},
     LAST, 4),
    ("avg_pool_strided", lambda: L.AveragePooling2D((2, 3), (1, 2)),
     {"type": "average_pooling2d", "pool_size": [2, 3], "strides": [1, 2]}, LAST, 6),
    ("avg_pool_same", lambda: L.AveragePooling2D(3, 1, "same"),
     {"type": "average_pooling2d", "pool_size": 3, "strides": 1, "padding": "same"}, LAST, 9),
    ("global_avg_pool", L.GlobalAveragePooling2D, {"type": "global_average_pooling2d"}, LAST, 30),
    ("global_avg_pool_keepdims", lambda: L.GlobalAveragePooling2D(keepdims=True),
     {"type": "global_average_pooling2d", "keepdims": True}, LAST, 30),
    *[(f"conv_{name}", lambda options=options: L.Conv2D(3, **options),
       {"type": "conv2d", "filters": 3, **options}, LAST, 400)
      for name, options in {
          "valid": {"kernel_size": 3},
          "same": {"kernel_size": 3, "padding": "same"},
          "same_strided": {"kernel_size": 3, "padding": "same", "strides": 2},
          "even_same": {"kernel_size": 4, "padding": "same"},
          "sides": {"kernel_size": (2, 3), "strides": (1, 2)},
          "dilated": {"kernel_size": 2, "dilation_rate": 2},
          "without_bias": {"kernel_size": 3, "use_bias": False},
          "1x1": {"kernel_size": 1},
      }.items()],
    ("conv_groups", lambda: L.Conv2D(6, 3, groups=2),
     {"type": "conv2d", "filters": 6, "kernel_size": 3, "groups": 2}, LAST, 400),
    ("conv_channels_first", lambda: L.Conv2D(3, 3, data_format="channels_first"),
     {"type": "conv2d", "filters": 3, "kernel_size": 3, "data_format": "channels_first"},
     IMAGES, 400),
]


def keras_case(golden: GoldenFile, row: Row, dtype: str) -> None:
    name, make, wire, shape, terms = row
    key = f"{name}_{dtype}"
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    keras.utils.set_random_seed(len(golden.cases))
    layer_of = make()
    layer_of.build(shape)
    layer = dict(wire)
    names = {"kernel": "kernel_initializer", "bias": "bias_initializer"}
    for variable in layer_of.weights:
        value = keras.ops.convert_to_numpy(variable).copy()
        layer[names[variable.name]] = golden.keep(f"{key}/{variable.name}_init", value)
    x = data(golden, key, shape)
    tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
    training = {"training": True} if isinstance(layer_of, L.Dropout) else {}
    y = layer_of(tensor, **training)
    dy = on_grid(np.random.default_rng(1).normal(size=tuple(y.shape)))
    y.backward(torch.from_numpy(dy.astype(dtype)))
    state = {}
    for variable in layer_of.weights:
        value = (variable.value - variable.value.grad).detach().numpy()
        kernel = variable.name == "kernel"
        state["0.weight" if kernel else "0.bias"] = (
            np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if kernel else value)
    golden.add({
        "name": key,
        "terms": terms,
        "create": {
            "layers": [layer], "input": list(shape[1:]), "dtype": dtype, "convention": "keras",
            "optimizer": {"type": "sgd", "lr": 1.0},
        },
        "state": record(golden, f"{key}/state", state),
        **record(golden, key, {
            "x": x, "dy": dy, "y": y.detach().numpy(), "dx": tensor.grad.numpy()}),
    })


# ---- A small convolutional network on the digits ----

DIGITS = Path(__file__).resolve().parents[2] / "clients" / "data" / "digits.csv.gz"
STEPS, ROWS = 100, 32


def digits() -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Images (N, 8, 8) in sixteenths, labels, and the rows of each of STEPS batches."""
    with gzip.open(DIGITS, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    train = np.flatnonzero(np.arange(len(table)) % 5 != 0)
    random = np.random.default_rng(9)
    order = np.concatenate([random.permutation(train) for _ in range(3)])[: STEPS * ROWS]
    return table[:, :64].reshape(-1, 8, 8) / 16, table[:, 64].astype(np.int64), order.reshape(
        STEPS, ROWS).astype(np.int16)


def network_case(golden: GoldenFile, name: str, losses: List[float], layers: List[Dict],
                 dtype: str, convention: str, optimizer: Dict, accuracy: float) -> None:
    shape = [1, 8, 8] if convention == "pytorch" else [8, 8, 1]
    key = f"{name}_{dtype}"
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": shape, "dtype": dtype, "convention": convention,
            "loss": "cross_entropy", "optimizer": optimizer,
        },
        "batches": {"$array": "batches"},
        "loss": golden.keep(f"{key}/loss", losses),
        "test_accuracy": accuracy,
    })


def pytorch_network(golden: GoldenFile, name: str, optimizer: Dict, make: Any, dtype: str) -> None:
    """conv, norm, relu, max pool, conv, norm, relu, average pool, flatten, linear."""
    images, labels, order = digits()
    torch.manual_seed(3)
    bias = name == "sgd"
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=bias), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    ).to(getattr(torch, dtype))
    kinds = {
        0: {"type": "conv2d", "out": 8, "kernel_size": 3, "padding": 1, "bias": bias},
        1: {"type": "batch_norm"}, 2: {"type": "relu"}, 3: {"type": "max_pool2d", "kernel_size": 2},
        4: {"type": "conv2d", "out": 16, "kernel_size": 3, "padding": 1, "bias": bias},
        5: {"type": "batch_norm"}, 6: {"type": "relu"}, 7: {"type": "avg_pool2d", "kernel_size": 2},
        8: {"type": "flatten"}, 9: {"type": "linear", "out": 10},
    }
    for place in (0, 4, 9):
        for part, value in model[place].named_parameters():
            kinds[place][f"{part}_init"] = golden.keep(
                f"{name}_{dtype}/{place}.{part}", value.detach().numpy().copy())
    rule = make(model.parameters())
    losses = []
    x = torch.from_numpy(images[:, None].astype(dtype))
    for rows in order:
        rule.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), torch.from_numpy(labels[rows]))
        loss.backward()
        rule.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[::5]).argmax(1).numpy() == labels[::5]).mean()
    network_case(golden, name, losses, [kinds[i] for i in range(10)], dtype, "pytorch", optimizer,
                 float(accuracy))


def keras_network(golden: GoldenFile, dtype: str) -> None:
    """The same with Keras' layers, defaults and Adam, the channels last."""
    images, labels, order = digits()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    keras.utils.set_random_seed(3)
    model = keras.Sequential([
        keras.Input((8, 8, 1), dtype=dtype),
        L.Conv2D(8, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(),
        L.MaxPooling2D(), L.Conv2D(16, 3, padding="same", use_bias=False), L.BatchNormalization(),
        L.ReLU(), L.AveragePooling2D(2), L.Flatten(), L.Dense(10),
    ])
    kinds: List[Dict[str, Any]] = [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "padding": "same", "use_bias": False},
        {"type": "batch_norm"}, {"type": "relu"}, {"type": "max_pooling2d"},
        {"type": "conv2d", "filters": 16, "kernel_size": 3, "padding": "same", "use_bias": False},
        {"type": "batch_norm"}, {"type": "relu"},
        {"type": "average_pooling2d", "pool_size": 2}, {"type": "flatten"}, {"type": "dense", "units": 10},
    ]
    for place in (0, 4, 9):
        kernel = keras.ops.convert_to_numpy(model.layers[place].kernel).copy()
        kinds[place]["kernel_initializer"] = golden.keep(f"keras_adam_{dtype}/{place}.kernel", kernel)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
    losses = []
    x = torch.from_numpy(images[..., None].astype(dtype))
    for rows in order:
        loss = function(torch.from_numpy(labels[rows]), model(x[rows], training=True))
        loss.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients)
        for variable in model.trainable_variables:
            variable.value.grad = None
        losses.append(loss.item())
    with torch.no_grad():
        answer = model(x[::5], training=False).argmax(1).numpy()
    network_case(golden, "keras_adam", losses, kinds, dtype, "keras",
                 {"type": "adam", "learning_rate": 1e-3}, float((answer == labels[::5]).mean()))


def make() -> None:
    """Writes the three files."""
    torch.set_num_threads(1)
    for name, rows, case in (
        ("layers_pytorch", PYTORCH, pytorch_case), ("layers_keras", KERAS, keras_case),
    ):
        golden = GoldenFile(name, VERSIONS)
        for row in rows:
            for dtype in DTYPES:
                case(golden, row, dtype)
        golden.write()
    golden = GoldenFile("networks", VERSIONS)
    golden.keep("batches", digits()[2])
    for dtype in DTYPES:
        pytorch_network(golden, "sgd", {"type": "sgd", "lr": 0.05, "momentum": 0.9},
                        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), dtype)
        pytorch_network(golden, "adam", {"type": "adam", "lr": 4e-3},
                        lambda p: torch.optim.Adam(p, lr=4e-3), dtype)
        keras_network(golden, dtype)
    golden.write()


if __name__ == "__main__":
    make()
