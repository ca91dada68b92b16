# SPDX-License-Identifier: Apache-2.0
"""A session as an ONNX model for inference.

    normd.onnx.export(session, "net.onnx")
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

import numpy as np

from normd import model_file
from normd.session import Session

try:
    import onnx
    from onnx import TensorProto, helper
except ImportError as error:  # pragma: no cover - an environment without onnx
    raise ImportError("normd.onnx needs the onnx package: pip install onnx") from error

from normd.onnx_layers import OPSET, Graph, add_layer

# Extents of x behind the batch, where a layer tells how many axes x has.
_AXES = {"1d": 2, "2d": 3, "3d": 4}


def _shape_of(layer: Mapping[str, Any]) -> Optional[List[Optional[int]]]:
    """The shape of x without the batch, as the first layer that tells one says it."""
    kind = layer["type"]
    if "normalized_shape" in layer:
        return list(layer["normalized_shape"])
    channels = layer.get("in", layer.get("features", layer.get("num_channels")))
    if kind in ("linear", "batch_norm", "batch_norm1d"):
        return [channels]
    if kind[-2:] not in _AXES:
        return None
    shape: List[Optional[int]] = [None] * _AXES[kind[-2:]]
    last = layer.get("data_format") == "channels_last" or layer.get("axis", 1) == -1
    shape[-1 if last else 0] = channels
    return shape


def _input_shape(session: Session, layers: List[Mapping[str, Any]]) -> List[Optional[int]]:
    given = session.describe()["input"]
    if given is not None:
        return list(given)
    for layer in layers:
        shape = _shape_of(layer)
        if shape is not None:
            return shape
        if layer["type"] in ("flatten", "group_norm", "instance_norm", "softmax", "log_softmax"):
            break
    raise ValueError("onnx: expected a session with an input shape, which no layer tells")


def to_model(session: Session) -> Any:
    """The session as an onnx.ModelProto, checked: x of shape (N, ...) to y, in inference mode.

    Operators' numbers beside x are float32 in ONNX, so a float64 session is written without those
    that have some: its model computes the same but for rounding in float64.
    """
    parts = model_file.parts_of(session, "pytorch")
    shape = _input_shape(session, [part.layer for part in parts])
    f64 = session.describe()["dtype"] == "float64"
    graph = Graph(np.float64 if f64 else np.float32, 1 + len(shape))
    for part in parts:
        add_layer(graph, part.layer, part.tensors)
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
