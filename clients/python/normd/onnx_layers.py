# SPDX-License-Identifier: Apache-2.0
"""Layers of a session as operators of ONNX.

A layer becomes the operator that was made for it, where the graph is of float32. Attributes of
operators are float32 whatever x is, so in float64 plain arithmetic stands in their place.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
from onnx import helper, numpy_helper

from normd import model_file

OPSET = 21  # the first with GroupNormalization as the frameworks have it

# Kinds that are one operator; their options by the operator's names.
_PLAIN: Dict[str, Any] = {
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": "negative_slope"}),
    "elu": ("Elu", {"alpha": "alpha"}),
    "selu": ("Selu", {}),
    "gelu": ("Gelu", {"approximate": "approximate"}),
    "hardswish": ("HardSwish", {}),
    "softmax": ("Softmax", {"axis": "dim"}),
    "log_softmax": ("LogSoftmax", {"axis": "dim"}),
}
# Those of them without a float32 number inside.
_EXACT = ("relu", "tanh", "sigmoid", "softmax", "log_softmax")

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


class Graph:
    """Nodes and constants in the order of the layers, and the rank of what flows."""

    def __init__(self, dtype: Any, rank: int) -> None:
        self.dtype = np.dtype(dtype)
        self.rank = rank
        self.nodes: List[Any] = []
        self.constants: List[Any] = []
        self.last = "x"

    def constant(self, values: Any, dtype: Any = None) -> str:
        name = f"c{len(self.constants)}"
        array = np.array(values, dtype or self.dtype, order="C")
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """A node over names and numbers; its output."""
        name = f"v{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return name

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """A node over the last value and more inputs; its output is the last one then."""
        self.last = self.node(operator, self.last, *inputs, **attributes)
        return self.last

    @property
    def is_double(self) -> bool:
        """Whether attributes are too coarse."""
        return self.dtype == np.float64

    def channels_first(self, axis: int) -> Optional[List[int]]:
        """Brings an axis to the second place; the way back, or None when it was there."""
        axis = axis + self.rank if axis < 0 else axis
        if axis == 1:
            return None
        there = [0, axis, *(a for a in range(1, self.rank) if a != axis)]
        self.add("Transpose", perm=there)
        return [there.index(a) for a in range(self.rank)]

    def back(self, order: Optional[List[int]]) -> None:
        if order is not None:
            self.add("Transpose", perm=order)


Layer = Mapping[str, Any]
Tensors = model_file.Tensors


def _refused(layer: Layer, why: str) -> ValueError:
    return ValueError(f"layer {layer['type']}: {why} has no operator in ONNX")


# ---- Norms ----


def _standardize(graph: Graph, axes: Sequence[int], eps: float, centered: bool = True) -> None:
    """(x - mean) / sqrt(var + eps) over axes, or with a mean of 0."""
    over = graph.constant(np.array(axes), np.int64)
    if centered:
        graph.add("Sub", graph.node("ReduceMean", graph.last, over, keepdims=1))
    square = graph.node("Mul", graph.last, graph.last)
    mean = graph.node("ReduceMean", square, over, keepdims=1)
    graph.add("Div", graph.node("Sqrt", graph.node("Add", mean, eps)))


def _scale_and_shift(graph: Graph, tensors: Tensors, shape: Sequence[int]) -> None:
    for name, operator in (("weight", "Mul"), ("bias", "Add")):
        if name in tensors:
            graph.add(operator, tensors[name].reshape(shape))


def _affine(graph: Graph, tensors: Tensors, size: int) -> List[str]:
    weight = tensors.get("weight", np.ones(size))
    bias = tensors.get("bias", np.zeros(size))
    return [graph.constant(weight), graph.constant(bias)]


def _features_of(layer: Layer) -> int:
    return layer.get("num_channels", layer.get("features"))


def _running_norm(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    """Features on axis 1, by their running statistics."""
    size = _features_of(layer)
    if not graph.is_double:
        inputs = _affine(graph, tensors, size)
        inputs += [graph.constant(tensors[name]) for name in ("running_mean", "running_var")]
        graph.add("BatchNormalization", *inputs, epsilon=float(layer["eps"]))
        return
    shape = [size, *[1] * (graph.rank - 2)]
    graph.add("Sub", tensors["running_mean"].reshape(shape))
    scale = tensors.get("weight", 1.0) / np.sqrt(tensors["running_var"] + layer["eps"])
    _scale_and_shift(graph, {**tensors, "weight": scale}, shape)


def _group_norm(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    """Features on axis 1, each sample's groups by themselves; a feature each of instance norm."""
    size = _features_of(layer)
    groups = layer.get("num_groups", size)
    # The operators want an axis behind the features.
    if not graph.is_double and graph.rank > 2:
        inputs = _affine(graph, tensors, size)
        if "num_groups" in layer:
            graph.add("GroupNormalization", *inputs, num_groups=groups, epsilon=layer["eps"])
        else:
            graph.add("InstanceNormalization", *inputs, epsilon=layer["eps"])
        return
    shape = graph.node("Shape", graph.last)
    graph.add("Reshape", graph.constant([0, groups, -1], np.int64))
    _standardize(graph, [2], layer["eps"])
    graph.add("Reshape", shape)
    _scale_and_shift(graph, tensors, [size, *[1] * (graph.rank - 2)])


def _channel_norm(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    order = graph.channels_first(layer["axis"])
    if "running_mean" in tensors:
        _running_norm(graph, layer, tensors)
    elif model_file.kind_of(layer) != "batch_norm":
        _group_norm(graph, layer, tensors)
    elif layer["virtual_batch_size"] is not None:
        raise _refused(layer, "virtual_batch_size without running statistics")
    else:
        _standardize(graph, [0, *range(2, graph.rank)], layer["eps"])
        _scale_and_shift(graph, tensors, [_features_of(layer), *[1] * (graph.rank - 2)])
    graph.back(order)


def _last_axes_norm(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    shape = layer["normalized_shape"]
    centered = layer["type"] == "layer_norm"
    if centered and not graph.is_double:
        weight = graph.constant(tensors.get("weight", np.ones(shape)))
        bias = graph.constant(tensors.get("bias", np.zeros(shape)))
        graph.add("LayerNormalization", weight, bias, axis=-len(shape), epsilon=layer["eps"])
        return
    _standardize(graph, range(-len(shape), 0), layer["eps"], centered)
    _scale_and_shift(graph, tensors, shape)


# ---- Images ----


def _window(layer: Layer) -> Dict[str, Any]:
    attributes = {"kernel_shape": layer["kernel_size"], "strides": layer["stride"]}
    if layer["padding"] == "same":
        attributes["auto_pad"] = "SAME_UPPER"
    else:
        attributes["pads"] = [*layer["padding"], *layer["padding"]]
    return attributes


def _images(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    last = layer["data_format"] == "channels_last"
    order = graph.channels_first(-1 if last else 1)
    kind = layer["type"]
    if kind == "conv2d":
        inputs = [tensors[name] for name in ("weight", "bias") if name in tensors]
        graph.add("Conv", *inputs, dilations=layer["dilation"], group=layer["groups"],
                  **_window(layer))
    elif kind == "max_pool2d":
        graph.add("MaxPool", **_window(layer))
    elif kind == "avg_pool2d":
        graph.add("AveragePool", count_include_pad=int(layer["count_include_pad"]),
                  **_window(layer))
    else:
        graph.add("GlobalAveragePool")
        if not layer["keepdims"]:
            graph.add("Flatten", axis=1)
            graph.rank = 2
            return
    graph.back(order)


# ---- Functions of each element ----


def _scaled_elu(graph: Graph, alpha: float, scale: float = 1.0) -> None:
    x = graph.last
    low = graph.node("Sub", graph.node("Exp", graph.node("Min", x, 0.0)), 1.0)
    graph.last = graph.node("Where", graph.node("Greater", x, 0.0), x,
                            graph.node("Mul", low, alpha))
    if scale != 1.0:
        graph.add("Mul", scale)


def _gelu(graph: Graph, approximate: str) -> None:
    x = graph.last
    if approximate == "tanh":
        cube = graph.node("Mul", graph.node("Mul", x, x), x)
        inner = graph.node("Add", x, graph.node("Mul", cube, 0.044715))
        part = graph.node("Tanh", graph.node("Mul", inner, math.sqrt(2.0 / math.pi)))
    else:
        part = graph.node("Erf", graph.node("Mul", x, math.sqrt(0.5)))
    graph.last = graph.node("Mul", graph.node("Mul", x, 0.5), graph.node("Add", part, 1.0))


def _softplus(graph: Graph, layer: Layer) -> None:
    x = graph.last
    scaled = x if layer["beta"] == 1.0 else graph.add("Mul", layer["beta"])
    graph.add("Softplus")
    if layer["beta"] != 1.0:
        graph.add("Div", layer["beta"])
    if layer["threshold"] is not None:
        beyond = graph.node("Greater", scaled, layer["threshold"])
        graph.last = graph.node("Where", beyond, x, graph.last)


def _double(graph: Graph, layer: Layer) -> None:
    """What _PLAIN has with numbers of float32."""
    kind = layer["type"]
    x = graph.last
    if kind == "leaky_relu":
        graph.add("PRelu", layer["negative_slope"])
    elif kind == "elu":
        _scaled_elu(graph, layer["alpha"])
    elif kind == "selu":
        _scaled_elu(graph, SELU_ALPHA, SELU_SCALE)
    elif kind == "gelu":
        _gelu(graph, layer["approximate"])
    else:
        graph.last = graph.node("Clip", graph.node("Add", x, 3.0), 0.0, 6.0)
        graph.add("Div", 6.0)
        graph.add("Mul", x)


def _function(graph: Graph, layer: Layer) -> None:
    kind = layer["type"]
    x = graph.last
    if kind in _PLAIN and graph.is_double and kind not in _EXACT:
        _double(graph, layer)
    elif kind in _PLAIN:
        operator, names = _PLAIN[kind]
        graph.add(operator, **{own: layer[name] for own, name in names.items()})
    elif kind == "relu6":
        graph.add("Clip", 0.0, 6.0)
    elif kind == "silu":
        graph.add("Sigmoid")
        graph.add("Mul", x)
    elif kind == "softplus":
        _softplus(graph, layer)
    else:
        raise _refused(layer, "it")


def _linear(graph: Graph, tensors: Tensors) -> None:
    if graph.rank == 2:
        graph.add("Gemm", *[tensors[n] for n in ("weight", "bias") if n in tensors], transB=1)
        return
    graph.add("MatMul", tensors["weight"].T)
    if "bias" in tensors:
        graph.add("Add", tensors["bias"])


def add_layer(graph: Graph, layer: Layer, tensors: Tensors) -> None:
    """Nodes for a layer that is described in PyTorch's words, in inference mode."""
    kind = model_file.kind_of(layer)
    if kind == "linear":
        _linear(graph, tensors)
    elif kind in ("conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d"):
        _images(graph, layer, tensors)
    elif kind in ("layer_norm", "rms_norm"):
        _last_axes_norm(graph, layer, tensors)
    elif kind.endswith("_norm"):
        _channel_norm(graph, layer, tensors)
    elif kind == "flatten":
        start = layer["start_dim"]
        graph.add("Reshape", graph.constant([0] * start + [-1], np.int64))
        graph.rank = start + 1
    elif kind != "dropout":  # which does nothing in inference
        _function(graph, layer)
