# SPDX-License-Identifier: Apache-2.0
"""A session as an ONNX model for inference.

    normd.onnx.export(session, "net.onnx")
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from normd import model_file
from normd.session import Session

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:  # pragma: no cover - an environment without onnx
    raise ImportError("normd.onnx needs the onnx package: pip install onnx") from error

OPSET = 21  # the first with GroupNormalization as the frameworks have it

# Kinds that are one operator; their options by the operator's names.
_PLAIN = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": "negative_slope"}),
    "elu": ("Elu", {"alpha": "alpha"}),
    "selu": ("Selu", {}),
    "gelu": ("Gelu", {"approximate": "approximate"}),
    "hardswish": ("HardSwish", {}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
}


class _Graph:
    """Nodes and constants in the order of the layers, and the rank of what flows."""

    def __init__(self, dtype: Any, rank: int) -> None:
        self.dtype = np.dtype(dtype)
        self.rank = rank
        self.nodes: List[Any] = []
        self.constants: List[Any] = []
        self.last = "x"

    def constant(self, values: Any, dtype: Any = None) -> str:
        name = f"c{len(self.constants)}"
        array = np.ascontiguousarray(values, dtype or self.dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node over the last value and more inputs; its output is the last one then."""
        name = f"v{len(self.nodes)}"
        node = helper.make_node(operator, [self.last, *inputs], [name], **attributes)
        self.nodes.append(node)
        self.last = name
        return name

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


def _refused(layer: Mapping[str, Any], why: str) -> ValueError:
    return ValueError(f"layer {layer['type']}: {why} has no operator in ONNX")


def _affine(graph: _Graph, tensors: model_file.Tensors, size: int) -> List[str]:
    weight = tensors.get("weight", np.ones(size))
    bias = tensors.get("bias", np.zeros(size))
    return [graph.constant(weight), graph.constant(bias)]


def _batch_norm(graph: _Graph, layer: Mapping[str, Any], tensors: model_file.Tensors) -> None:
    if "running_mean" not in tensors:
        raise _refused(layer, "track_running_stats false")
    order = graph.channels_first(layer["axis"])
    size = tensors["running_mean"].size
    inputs = _affine(graph, tensors, size)
    inputs += [graph.constant(tensors[name]) for name in ("running_mean", "running_var")]
    graph.add("BatchNormalization", *inputs, epsilon=float(layer["eps"]))
    graph.back(order)


def _window(layer: Mapping[str, Any], tensors: Mapping[str, Any]) -> Dict[str, Any]:
    attributes = {"kernel_shape": layer["kernel_size"], "strides": layer["stride"]}
    if layer["padding"] == "same":
        attributes["auto_pad"] = "SAME_UPPER"
    else:
        attributes["pads"] = [*layer["padding"], *layer["padding"]]
    return attributes


def _images(graph: _Graph, layer: Mapping[str, Any], tensors: model_file.Tensors) -> None:
    last = layer["data_format"] == "channels_last"
    order = graph.channels_first(-1 if last else 1)
    kind = layer["type"]
    if kind == "conv2d":
        inputs = [graph.constant(tensors["weight"])]
        if "bias" in tensors:
            inputs.append(graph.constant(tensors["bias"]))
        graph.add("Conv", *inputs, dilations=layer["dilation"], group=layer["groups"],
                  **_window(layer, tensors))
    elif kind == "max_pool2d":
        graph.add("MaxPool", **_window(layer, tensors))
    elif kind == "avg_pool2d":
        graph.add("AveragePool", count_include_pad=int(layer["count_include_pad"]),
                  **_window(layer, tensors))
    else:
        graph.add("GlobalAveragePool")
        if not layer["keepdims"]:
            graph.add("Flatten", axis=1)
            graph.rank = 2
            return
    graph.back(order)


def _norm(graph: _Graph, layer: Mapping[str, Any], tensors: model_file.Tensors) -> None:
    kind = layer["type"]
    if kind == "layer_norm":
        shape = layer["normalized_shape"]
        weight = graph.constant(tensors.get("weight", np.ones(shape)))
        bias = graph.constant(tensors.get("bias", np.zeros(shape)))
        graph.add("LayerNormalization", weight, bias, axis=-len(shape), epsilon=layer["eps"])
        return
    if kind == "rms_norm" or layer.get("track_running_stats"):
        raise _refused(layer, "its form")
    order = graph.channels_first(layer["axis"])
    size = layer.get("num_channels", layer.get("features"))
    inputs = _affine(graph, tensors, size)
    if kind == "group_norm":
        graph.add("GroupNormalization", *inputs, num_groups=layer["num_groups"],
                  epsilon=layer["eps"])
    else:
        graph.add("InstanceNormalization", *inputs, epsilon=layer["eps"])
    graph.back(order)


def _activation(graph: _Graph, layer: Mapping[str, Any]) -> None:
    kind = layer["type"]
    x = graph.last
    if kind in _PLAIN:
        operator, names = _PLAIN[kind]
        graph.add(operator, **{own: layer[name] for own, name in names.items()})
    elif kind == "relu6":
        graph.add("Clip", graph.constant(0.0), graph.constant(6.0))
    elif kind == "silu":
        graph.add("Sigmoid")
        graph.add("Mul", x)
    elif kind == "softplus" and layer["beta"] == 1.0:
        graph.add("Softplus")
    else:
        raise _refused(layer, "it")


def _layer(graph: _Graph, layer: Mapping[str, Any], tensors: model_file.Tensors) -> None:
    kind = layer["type"]
    if kind == "linear":
        inputs = [graph.constant(tensors["weight"])]
        if "bias" in tensors:
            inputs.append(graph.constant(tensors["bias"]))
        graph.add("Gemm", *inputs, transB=1)
    elif kind.startswith("batch_norm"):
        _batch_norm(graph, layer, tensors)
    elif kind in ("conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d"):
        _images(graph, layer, tensors)
    elif kind in ("layer_norm", "rms_norm", "group_norm") or kind.startswith("instance_norm"):
        _norm(graph, layer, tensors)
    elif kind == "flatten":
        if layer["start_dim"] != 1:
            raise _refused(layer, "start_dim")
        graph.add("Flatten", axis=1)
        graph.rank = 2
    elif kind != "dropout":  # which does nothing in inference
        _activation(graph, layer)


def to_model(session: Session) -> Any:
    """The session as an onnx.ModelProto, checked: x of shape (N, ...) to y, in inference mode."""
    description = session.describe("pytorch")
    parts = model_file.parts_of(session, "pytorch")
    shape = description["input"]
    if shape is None:
        first = parts[0].layer
        shape = [first.get("in", first.get("features"))]
        if first["type"] not in ("linear", "batch_norm", "batch_norm1d"):
            raise ValueError("onnx: expected a session with an input shape")
    f64 = description["dtype"] == "float64"
    graph = _Graph(np.float64 if f64 else np.float32, 1 + len(shape))
    for part in parts:
        _layer(graph, part.layer, part.tensors)
    if not graph.nodes:
        graph.add("Identity")
    element = TensorProto.DOUBLE if f64 else TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", element, ["N", *shape])
    y = helper.make_tensor_value_info(graph.last, element, ["N", *[None] * (graph.rank - 1)])
    made = helper.make_graph(graph.nodes, session.name, [x], [y], graph.constants)
    model = helper.make_model(
        made, producer_name="normd", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def export(session: Session, path: str) -> None:
    """Writes the session as an ONNX file."""
    onnx.save(to_model(session), path)
