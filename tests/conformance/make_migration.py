# SPDX-License-Identifier: Apache-2.0
"""Models of both frameworks as their own files and arrays have them, for golden/migration.npz."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from make_common import GoldenFile  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval  # noqa: E402

kl = keras.layers

DENSE = [
    {"type": "linear", "out": 8},
    {"type": "batch_norm"},
    {"type": "relu"},
    {"type": "linear", "out": 5, "bias": False},
    {"type": "batch_norm", "eps": 1e-3, "momentum": 0.25},
    {"type": "tanh"},
    {"type": "layer_norm"},
    {"type": "linear", "out": 3},
]
CONV = [
    {"type": "conv2d", "out": 4, "kernel_size": 3, "bias": False},
    {"type": "batch_norm"},
    {"type": "relu"},
    {"type": "max_pool2d", "kernel_size": 2},
    {"type": "conv2d", "out": 6, "kernel_size": [2, 3]},
    {"type": "batch_norm", "affine": False},
    {"type": "flatten"},
    {"type": "linear", "out": 3},
]
KERAS = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3},
    {"type": "batch_norm"},
    {"type": "relu"},
    {"type": "conv2d", "filters": 6, "kernel_size": [2, 3], "use_bias": False},
    {"type": "batch_norm", "scale": False},
    {"type": "flatten"},
    {"type": "linear", "units": 5},
    {"type": "batch_norm", "center": False},
    {"type": "layer_norm"},
    {"type": "linear", "units": 3},
]


def torch_models() -> dict:
    """The same models of PyTorch."""
    dense = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5, bias=False),
        nn.BatchNorm1d(5, eps=1e-3, momentum=0.25), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3))
    conv = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, (2, 3)), nn.BatchNorm2d(6, affine=False), nn.Flatten(), nn.Linear(12, 3))
    return {"dense": (dense, DENSE, (6,)), "conv": (conv, CONV, (2, 8, 8))}


def keras_model() -> "keras.Model":
    """The same model of Keras."""
    return keras.Sequential([
        keras.Input((8, 8, 2)), kl.Conv2D(4, 3), kl.BatchNormalization(), kl.ReLU(),
        kl.Conv2D(6, (2, 3), use_bias=False), kl.BatchNormalization(scale=False), kl.Flatten(),
        kl.Dense(5), kl.BatchNormalization(center=False), kl.LayerNormalization(), kl.Dense(3)])


def train_torch(module: nn.Module, shape: tuple) -> None:
    """A few steps, so that no statistic is as it began."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(4):
        optimizer.zero_grad()
        (module(torch.randn(16, *shape) + 0.5) ** 2).mean().backward()
        optimizer.step()
    module.eval()


def make_torch(golden: GoldenFile) -> None:
    """A state_dict as the safetensors package saves it, and what the model gives."""
    for name, (module, layers, shape) in torch_models().items():
        train_torch(module, shape)
        x = torch.randn(5, *shape)
        state = module.state_dict()
        half = {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
        case = {
            "kind": "torch",
            "name": f"torch-{name}",
            "create": {"layers": layers, "input": list(shape)},
            "x": golden.keep(f"torch-{name}/x", x.numpy()),
            "y": golden.keep(f"torch-{name}/y", module(x).detach().numpy()),
            "state": {k: golden.keep(f"torch-{name}/{k}", v.numpy()) for k, v in state.items()},
        }
        for key, tensors in (("file", state), ("half", half)):
            data = np.frombuffer(safetensors.torch.save(tensors), np.uint8)
            case[key] = golden.keep(f"torch-{name}/{key}", data)
        case["fused"] = fused(golden, name, module)
        golden.add(case)


def fused(golden: GoldenFile, name: str, module: nn.Module) -> dict:
    """PyTorch's own folding of every pair, in double, by the folded model's indices."""
    result = {}
    place = 0
    children = list(module.double().children())
    for first, second in zip(children, [*children[1:], None]):
        if isinstance(first, nn.modules.batchnorm._BatchNorm):
            continue
        both = None
        if isinstance(second, nn.modules.batchnorm._BatchNorm):
            if isinstance(first, nn.Linear):
                both = fuse_linear_bn_eval(first, second)
            elif isinstance(first, nn.Conv2d):
                both = fuse_conv_bn_eval(first, second)
        if both is not None:
            for key, value in both.state_dict().items():
                array = value.detach().numpy()
                result[f"{place}.{key}"] = golden.keep(f"torch-{name}/fused/{place}.{key}", array)
        place += 1
    return result


def optimizers() -> dict:
    """One of each, with what gives it more variables."""
    ko = keras.optimizers
    return {
        "sgd": (ko.SGD(0.01, momentum=0.9), {"type": "sgd", "momentum": 0.9}),
        "adam": (ko.Adam(), {"type": "adam"}),
        "amsgrad": (ko.Adam(amsgrad=True), {"type": "adam", "amsgrad": True}),
        "adamw": (ko.AdamW(), {"type": "adamw"}),
        "nadam": (ko.Nadam(), {"type": "nadam"}),
        "rmsprop": (
            ko.RMSprop(momentum=0.9, centered=True),
            {"type": "rmsprop", "momentum": 0.9, "centered": True},
        ),
        "adagrad": (ko.Adagrad(), {"type": "adagrad"}),
        "lion": (ko.Lion(), {"type": "lion"}),
    }


def make_keras(golden: GoldenFile) -> None:
    """get_weights and the variables of each optimizer behind a few steps of fit."""
    random = np.random.default_rng(5)
    for name, (optimizer, option) in optimizers().items():
        model = keras_model()
        model.compile(optimizer=optimizer, loss="mse")
        x = random.normal(0.3, 1, (48, 8, 8, 2)).astype("f4")
        model.fit(x, random.normal(size=(48, 3)).astype("f4"), batch_size=16, verbose=0)
        key = f"keras-{name}"
        weights = model.get_weights()
        variables = [np.asarray(keras.ops.convert_to_numpy(v)) for v in optimizer.variables]
        golden.add({
            "kind": "keras",
            "name": key,
            "create": {"layers": KERAS, "input": [8, 8, 2], "optimizer": option},
            "x": golden.keep(f"{key}/x", x[:4]),
            "y": golden.keep(f"{key}/y", model.predict(x[:4], verbose=0)),
            "weights": [golden.keep(f"{key}/w{i}", v) for i, v in enumerate(weights)],
            "paths": [v.path.split("/")[-1] for v in optimizer.variables],
            "variables": [golden.keep(f"{key}/v{i}", v) for i, v in enumerate(variables)],
        })


def count_torch(module: nn.Module) -> dict:
    """As PyTorch's users count."""
    return {
        "trainable": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "buffers": sum(b.numel() for b in module.buffers()),
    }


def count_keras(model: "keras.Model") -> dict:
    """As Model.summary() counts."""
    return {
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "non_trainable": sum(int(np.prod(w.shape)) for w in model.non_trainable_weights),
    }


def make_counts(golden: GoldenFile) -> None:
    """Each kind of layer, counted by both."""
    rows = [
        ("linear", {"type": "linear", "out": 3}, nn.Linear(6, 3), kl.Dense(3), 1),
        ("linear-no-bias", {"type": "linear", "out": 3, "bias": False},
         nn.Linear(6, 3, bias=False), kl.Dense(3, use_bias=False), 1),
        ("conv", {"type": "conv2d", "out": 3, "kernel_size": 2}, nn.Conv2d(6, 3, 2),
         kl.Conv2D(3, 2), 3),
        ("batch-norm", {"type": "batch_norm"}, nn.BatchNorm1d(6), kl.BatchNormalization(), 1),
        ("batch-norm-no-affine", {"type": "batch_norm", "affine": False},
         nn.BatchNorm1d(6, affine=False), kl.BatchNormalization(center=False, scale=False), 1),
        ("layer-norm", {"type": "layer_norm"}, nn.LayerNorm(6), kl.LayerNormalization(), 1),
        ("group-norm", {"type": "group_norm", "num_groups": 2}, nn.GroupNorm(2, 6),
         kl.GroupNormalization(2), 1),
        ("dropout", {"type": "dropout", "p": 0.5}, nn.Dropout(), kl.Dropout(0.5), 1),
        ("relu", {"type": "relu"}, nn.ReLU(), kl.ReLU(), 1),
        ("renorm", {"type": "batch_norm", "renorm": True}, None,
         kl.BatchNormalization(renorm=True), 1),
    ]
    for name, layer, module, layer_of_keras, rank in rows:
        for frozen in (False, True):
            shape = (6,) if rank == 1 else (4, 4, 6)
            model = keras.Sequential([keras.Input(shape), layer_of_keras])
            layer_of_keras.trainable = not frozen
            if module is not None:
                module.requires_grad_(not frozen)
            has_weights = bool(layer_of_keras.weights)
            if frozen and not has_weights:
                continue
            golden.add({
                "kind": "counts",
                "name": f"{name}{'-frozen' if frozen else ''}",
                "layer": {**layer, **({"trainable": False} if frozen else {})},
                "input": [6] if rank == 1 else [6, 4, 4],
                "pytorch": count_torch(module) if module is not None else None,
                "keras": count_keras(model),
            })


def make() -> None:
    """Writes golden/migration.npz."""
    torch.manual_seed(3)
    keras.utils.set_random_seed(4)
    golden = GoldenFile("migration", {
        "torch": torch.__version__, "keras": keras.__version__,
        "safetensors": safetensors.__version__,
    })
    make_torch(golden)
    make_keras(golden)
    make_counts(golden)
    golden.write()


if __name__ == "__main__":
    make()
