# SPDX-License-Identifier: Apache-2.0
"""Golden values of layer, RMS, group and instance norm, by PyTorch and Keras 3.

States are stored under PyTorch's names and shapes, which is what session.export gives.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import keras
import numpy as np
import torch
from make_common import DTYPES, GoldenFile, on_grid
from make_keras import VERSIONS as KERAS_VERSIONS
from torch import nn

VERSIONS = {**KERAS_VERSIONS, "torch": torch.__version__}
RATES = {"weight_lr": 0.5, "bias_lr": 0.125}

# Name, shape of x, the layer as the wire takes it, the module.
PYTORCH: List[tuple] = [
    ("layer_norm", (6, 11), {"type": "layer_norm"}, lambda: nn.LayerNorm(11)),
    ("layer_norm_rank_3", (3, 4, 6), {"type": "layer_norm"}, lambda: nn.LayerNorm(6)),
    ("layer_norm_two_axes", (3, 2, 4, 3), {"type": "layer_norm", "normalized_shape": [4, 3]},
     lambda: nn.LayerNorm((4, 3))),
    ("layer_norm_three_axes", (3, 2, 4, 3), {"type": "layer_norm", "normalized_shape": [2, 4, 3]},
     lambda: nn.LayerNorm((2, 4, 3))),
    ("layer_norm_rank_5", (2, 2, 3, 2, 5), {"type": "layer_norm", "normalized_shape": 5},
     lambda: nn.LayerNorm(5)),
    ("layer_norm_eps", (4, 5), {"type": "layer_norm", "eps": 0.5}, lambda: nn.LayerNorm(5, 0.5)),
    ("layer_norm_plain", (4, 5), {"type": "layer_norm", "elementwise_affine": False},
     lambda: nn.LayerNorm(5, elementwise_affine=False)),
    ("layer_norm_no_bias", (4, 5), {"type": "layer_norm", "bias": False},
     lambda: nn.LayerNorm(5, bias=False)),
    ("rms_norm", (4, 7), {"type": "rms_norm"}, lambda: nn.RMSNorm(7)),
    ("rms_norm_eps", (3, 2, 5), {"type": "rms_norm", "normalized_shape": [2, 5], "eps": 1e-2},
     lambda: nn.RMSNorm((2, 5), 1e-2)),
    ("rms_norm_plain", (4, 7), {"type": "rms_norm", "elementwise_affine": False},
     lambda: nn.RMSNorm(7, elementwise_affine=False)),
    ("group_norm", (3, 6, 5), {"type": "group_norm", "num_groups": 2, "num_channels": 6},
     lambda: nn.GroupNorm(2, 6)),
    ("group_norm_rank_2", (5, 6), {"type": "group_norm", "num_groups": 3},
     lambda: nn.GroupNorm(3, 6)),
    ("group_norm_images", (2, 4, 5, 6), {"type": "group_norm", "num_groups": 2},
     lambda: nn.GroupNorm(2, 4)),
    ("group_norm_volumes", (2, 4, 2, 3, 2), {"type": "group_norm", "num_groups": 4},
     lambda: nn.GroupNorm(4, 4)),
    ("group_norm_one_group", (2, 4, 9), {"type": "group_norm", "num_groups": 1},
     lambda: nn.GroupNorm(1, 4)),
    ("group_norm_eps", (2, 4, 5), {"type": "group_norm", "num_groups": 2, "eps": 0.5},
     lambda: nn.GroupNorm(2, 4, eps=0.5)),
    ("group_norm_plain", (2, 4, 5), {"type": "group_norm", "num_groups": 2, "affine": False},
     lambda: nn.GroupNorm(2, 4, affine=False)),
    ("group_norm_no_bias", (2, 4, 5), {"type": "group_norm", "num_groups": 2, "bias": False},
     lambda: nn.GroupNorm(2, 4, bias=False)),
    ("instance_norm_1d", (3, 4, 5), {"type": "instance_norm1d"}, lambda: nn.InstanceNorm1d(4)),
    ("instance_norm_2d", (3, 2, 4, 5), {"type": "instance_norm2d"}, lambda: nn.InstanceNorm2d(2)),
    ("instance_norm_3d", (2, 3, 2, 3, 2), {"type": "instance_norm3d", "affine": True},
     lambda: nn.InstanceNorm3d(3, affine=True)),
    ("instance_norm_affine", (3, 2, 4, 5), {"type": "instance_norm", "affine": True},
     lambda: nn.InstanceNorm2d(2, affine=True)),
    ("instance_norm_eps", (3, 2, 6), {"type": "instance_norm", "eps": 0.5},
     lambda: nn.InstanceNorm1d(2, eps=0.5)),
    ("instance_norm_tracked", (3, 4, 5), {"type": "instance_norm", "track_running_stats": True},
     lambda: nn.InstanceNorm1d(4, track_running_stats=True)),
    ("instance_norm_tracked_2d", (2, 3, 3, 4),
     {"type": "instance_norm", "track_running_stats": True, "affine": True, "momentum": 0.25},
     lambda: nn.InstanceNorm2d(3, momentum=0.25, affine=True, track_running_stats=True)),
    ("instance_norm_tracked_3d", (2, 2, 2, 3, 2),
     {"type": "instance_norm3d", "track_running_stats": True, "momentum": 1.0},
     lambda: nn.InstanceNorm3d(2, momentum=1.0, track_running_stats=True)),
]

KERAS: List[tuple] = [
    ("layer_norm", (6, 11), {"type": "layer_norm"}, keras.layers.LayerNormalization, {}),
    ("layer_norm_two_axes", (3, 2, 4, 3), {"type": "layer_norm", "axis": [-2, -1]},
     keras.layers.LayerNormalization, {"axis": [-2, -1]}),
    ("layer_norm_three_axes", (3, 2, 4, 3), {"type": "layer_norm", "axis": [1, 2, 3]},
     keras.layers.LayerNormalization, {"axis": [1, 2, 3]}),
    ("layer_norm_epsilon", (4, 5), {"type": "layer_norm", "epsilon": 0.5},
     keras.layers.LayerNormalization, {"epsilon": 0.5}),
    ("layer_norm_not_centered", (4, 5), {"type": "layer_norm", "center": False},
     keras.layers.LayerNormalization, {"center": False}),
    ("layer_norm_not_scaled", (4, 5), {"type": "layer_norm", "scale": False},
     keras.layers.LayerNormalization, {"scale": False}),
    ("rms_norm", (4, 7), {"type": "rms_norm"}, keras.layers.RMSNormalization, {}),
    ("rms_norm_epsilon", (3, 2, 5), {"type": "rms_norm", "epsilon": 1e-2},
     keras.layers.RMSNormalization, {"epsilon": 1e-2}),
    ("group_norm", (2, 3, 64), {"type": "group_norm"}, keras.layers.GroupNormalization, {}),
    ("group_norm_rank_2", (5, 6), {"type": "group_norm", "groups": 3},
     keras.layers.GroupNormalization, {"groups": 3}),
    ("group_norm_images", (2, 3, 5, 6), {"type": "group_norm", "groups": 2},
     keras.layers.GroupNormalization, {"groups": 2}),
    ("group_norm_volumes", (2, 3, 2, 2, 6), {"type": "group_norm", "groups": 3},
     keras.layers.GroupNormalization, {"groups": 3}),
    ("group_norm_channels_first", (2, 6, 5, 3), {"type": "group_norm", "groups": 2, "axis": 1},
     keras.layers.GroupNormalization, {"groups": 2, "axis": 1}),
    ("group_norm_options", (2, 5, 4),
     {"type": "group_norm", "groups": 2, "epsilon": 0.5, "scale": False},
     keras.layers.GroupNormalization, {"groups": 2, "epsilon": 0.5, "scale": False}),
    ("group_norm_not_centered", (2, 5, 4), {"type": "group_norm", "groups": 2, "center": False},
     keras.layers.GroupNormalization, {"groups": 2, "center": False}),
    ("group_norm_of_instances", (2, 5, 4), {"type": "group_norm", "groups": -1},
     keras.layers.GroupNormalization, {"groups": -1}),
    ("instance_norm", (2, 5, 3, 4), {"type": "instance_norm"},
     keras.layers.GroupNormalization, {"groups": -1}),
    ("instance_norm_channels_first", (2, 4, 5), {"type": "instance_norm", "axis": 1},
     keras.layers.GroupNormalization, {"groups": -1, "axis": 1}),
]


def torch_dtype(dtype: str) -> torch.dtype:
    """PyTorch's type of that name."""
    return getattr(torch, dtype)


class PytorchLayer:
    """A module, its parameters and buffers by name."""

    convention = "pytorch"

    def __init__(self, make: Callable[[], nn.Module], dtype: str) -> None:
        self.module = make().to(torch_dtype(dtype))

    def parameters(self) -> Dict[str, torch.Tensor]:
        return dict(self.module.named_parameters())

    def state(self) -> Dict[str, np.ndarray]:
        # An instance norm does not count its batches: DIFFERENCES.md.
        return {name: value.detach().numpy().copy()
                for name, value in self.module.state_dict().items()
                if name != "num_batches_tracked"}

    def __call__(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        return self.module.train(training)(x)


class KerasLayer:
    """A Keras layer on the torch backend."""

    convention = "keras"

    def __init__(self, kind: Any, options: Dict, shape: tuple, dtype: str) -> None:
        keras.config.set_floatx(dtype)
        self.layer = kind(dtype=dtype, **options)
        self.layer.build(shape)
        rms = kind is keras.layers.RMSNormalization
        self.variables = {
            "weight": self.layer.scale if rms else self.layer.gamma,
            "bias": None if rms else self.layer.beta,
        }

    def parameters(self) -> Dict[str, torch.Tensor]:
        return {name: v.value for name, v in self.variables.items() if v is not None}

    def state(self) -> Dict[str, np.ndarray]:
        return {name: v.detach().numpy().copy() for name, v in self.parameters().items()}

    def __call__(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        return self.layer(x, training=training)


def keep_once(golden: GoldenFile, key: str, values: np.ndarray) -> Dict[str, str]:
    """Stores what the cases of both types have in common."""
    if key in golden.arrays:
        assert np.array_equal(golden.arrays[key], values), key
        return {"$array": key}
    return golden.keep(key, values)


def norm_case(golden: GoldenFile, name: str, shape: tuple, layer: Dict, of: Any, dtype: str,
              steps: int) -> None:
    """Forward and backward steps with SGD on gamma and beta, then inference."""
    random = np.random.default_rng(500 + len(golden.cases) // len(DTYPES))
    key = f"{of.convention}_{name}_{dtype}"
    layer = dict(layer)
    for part, parameter in of.parameters().items():
        values = on_grid(random.normal(part == "weight", 0.5, tuple(parameter.shape)))
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
        layer[f"{part}_init"] = keep_once(golden, f"{name}/{part}_init", values)
    case: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": [layer], "input": list(shape[1:]), "dtype": dtype,
            "convention": of.convention, "optimizer": {"type": "sgd", "lr": 1.0, **RATES},
        },
        "steps": [],
    }
    for step in range(steps):
        x = on_grid(random.normal(size=shape) * (1 + step % 3) + 0.5)
        dy = on_grid(random.normal(size=shape))
        tensor = torch.from_numpy(x).to(torch_dtype(dtype)).requires_grad_()
        y = of(tensor, True)
        y.backward(torch.from_numpy(dy).to(torch_dtype(dtype)))
        with torch.no_grad():
            for part, parameter in of.parameters().items():
                parameter.sub_(RATES[f"{part}_lr"] * parameter.grad)
                parameter.grad = None
        record = {
            "x": keep_once(golden, f"{name}/{step}/x", x),
            "dy": keep_once(golden, f"{name}/{step}/dy", dy),
            "state": {f"0.{n}": golden.keep(f"{key}/{step}/{n}", v)
                      for n, v in of.state().items()},
        }
        if step in (0, steps - 1):
            record["y"] = golden.keep(f"{key}/{step}/y", y.detach().numpy())
            record["dx"] = golden.keep(f"{key}/{step}/dx", tensor.grad.numpy())
        case["steps"].append(record)
    x = on_grid(random.normal(size=shape) + 0.5)
    case["eval_x"] = keep_once(golden, f"{name}/eval_x", x)
    with torch.no_grad():
        y = of(torch.from_numpy(x).to(torch_dtype(dtype)), False)
    case["eval_y"] = golden.keep(f"{key}/eval_y", y.numpy())
    golden.add(case)


def make() -> None:
    """Writes the two files."""
    torch.set_num_threads(1)
    golden = GoldenFile("norms_pytorch", VERSIONS)
    for name, shape, layer, build in PYTORCH:
        for dtype in DTYPES:
            steps = 10 if "track_running_stats" in layer else 2
            norm_case(golden, name, shape, layer, PytorchLayer(build, dtype), dtype, steps)
    golden.write()
    golden = GoldenFile("norms_keras", VERSIONS)
    for name, shape, layer, kind, options in KERAS:
        for dtype in DTYPES:
            of = KerasLayer(kind, options, shape, dtype)
            norm_case(golden, name, shape, layer, of, dtype, 2)
    golden.write()


if __name__ == "__main__":
    make()
