# SPDX-License-Identifier: Apache-2.0
"""Layers of Keras as layers of a session with their tensors."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Set

import keras
import numpy as np
from keras import layers as kl

from normd import model_file
from normd.model_file import Part

# Where a layer of Keras remembers what it has no weight for: batches that its statistics saw.
BATCHES = "normd_num_batches_tracked"

_ACTIVATIONS = {
    "relu": "relu", "relu6": "relu6", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu",
    "gelu": "gelu", "silu": "silu", "swish": "silu", "hard_silu": "hardswish",
    "hard_swish": "hardswish", "tanh": "tanh", "sigmoid": "sigmoid", "softplus": "softplus",
    "softmax": "softmax",
}


def _refused(layer: Any, why: str = "") -> ValueError:
    name = type(layer).__name__
    if why:
        return ValueError(f"{name}: a session has no counterpart for {why}")
    known = ", ".join(sorted(kind.__name__ for kind in (*_READERS, kl.ZeroPadding2D)))
    return ValueError(f"{name} has no counterpart in a session; known are {known}")


def _penalties(layer: Any) -> Dict[str, Any]:
    """Regularizers and constraints, which create takes as Keras serializes them."""
    given = {key: value for key, value in layer.get_config().items()
             if key.endswith(("_regularizer", "_constraint")) and value is not None}
    if "activity_regularizer" in given:
        raise _refused(layer, "activity_regularizer")
    return given


def _activation(layer: Any) -> List[Dict[str, Any]]:
    """The activation of a layer that has one built in."""
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return []
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise _refused(layer, f"activation {name!r}")
    if name == "leaky_relu":
        return [{"type": "leaky_relu", "negative_slope": 0.2}]
    return [{"type": _ACTIVATIONS[name]}]


def _dense(layer: Any) -> List[Dict[str, Any]]:
    own = {"type": "linear", "units": layer.units, "use_bias": layer.use_bias,
           "in": int(layer.kernel.shape[0])}
    return [own, *_activation(layer)]


def _conv(layer: Any) -> List[Dict[str, Any]]:
    own = {"type": "conv2d", "filters": layer.filters, "kernel_size": list(layer.kernel_size),
           "strides": list(layer.strides), "padding": layer.padding,
           "dilation_rate": list(layer.dilation_rate), "groups": layer.groups,
           "use_bias": layer.use_bias, "data_format": layer.data_format}
    return [own, *_activation(layer)]


def _batch_norm(layer: Any) -> List[Dict[str, Any]]:
    own = {"type": "batch_norm", "axis": layer.axis, "momentum": layer.momentum,
           "epsilon": layer.epsilon, "center": layer.center, "scale": layer.scale,
           "features": int(layer.moving_mean.shape[0])}
    if getattr(layer, "renorm", False):
        clipping = {k: v for k, v in (layer.renorm_clipping or {}).items() if v is not None}
        own.update(renorm=True, renorm_momentum=layer.renorm_momentum)
        if clipping:
            own["renorm_clipping"] = clipping
    return [own]


def _layer_norm(layer: Any) -> List[Dict[str, Any]]:
    axis = layer.axis if isinstance(layer.axis, int) else list(layer.axis)
    return [{"type": "layer_norm", "axis": axis, "epsilon": layer.epsilon,
             "center": layer.center, "scale": layer.scale}]


def _rms_norm(layer: Any) -> List[Dict[str, Any]]:
    axis = layer.axis if isinstance(layer.axis, int) else list(layer.axis)
    return [{"type": "rms_norm", "axis": axis, "epsilon": layer.epsilon}]


def _group_norm(layer: Any) -> List[Dict[str, Any]]:
    return [{"type": "group_norm", "groups": layer.groups, "axis": layer.axis,
             "epsilon": layer.epsilon, "center": layer.center, "scale": layer.scale}]


def _pool(kind: str) -> Callable[[Any], List[Dict[str, Any]]]:
    return lambda layer: [{"type": kind, "pool_size": list(layer.pool_size),
                           "strides": list(layer.strides), "padding": layer.padding,
                           "data_format": layer.data_format}]


def _global_pool(layer: Any) -> List[Dict[str, Any]]:
    return [{"type": "global_avg_pool2d", "data_format": layer.data_format,
             "keepdims": layer.keepdims}]


def _flatten(layer: Any) -> List[Dict[str, Any]]:
    if layer.data_format == "channels_first":
        raise _refused(layer, "data_format channels_first, which moves the channels")
    return [{"type": "flatten"}]


def _reshape(layer: Any) -> List[Dict[str, Any]]:
    """One that makes the last axes one, as flatten does."""
    shapes = {tuple(node.input_tensors[0].shape[1:]) for node in layer._inbound_nodes}
    if len(shapes) != 1:
        raise _refused(layer, "inputs that are not of one known shape")
    extents = list(shapes.pop())
    *kept, last = layer.target_shape
    flat = extents[len(kept):]
    same = bool(flat) and kept == extents[: len(kept)]
    if not same or (last != -1 and (None in flat or last != math.prod(flat))):
        raise _refused(layer, f"target_shape {layer.target_shape}, which does not flatten")
    return [{"type": "flatten", "start_dim": len(kept) + 1}]


def _softmax(layer: Any) -> List[Dict[str, Any]]:
    if not isinstance(layer.axis, int):
        raise _refused(layer, f"axis {layer.axis}")
    return [{"type": "softmax", "axis": layer.axis}]


def _relu(layer: Any) -> List[Dict[str, Any]]:
    values = (layer.max_value, float(layer.negative_slope), float(layer.threshold))
    if values == (None, 0.0, 0.0):
        return [{"type": "relu"}]
    if values == (6.0, 0.0, 0.0):
        return [{"type": "relu6"}]
    if values[0] is None and values[2] == 0.0:
        return [{"type": "leaky_relu", "negative_slope": values[1]}]
    raise _refused(layer, "max_value and threshold")


_READERS: Dict[type, Callable[[Any], List[Dict[str, Any]]]] = {
    kl.Dense: _dense,
    kl.Conv2D: _conv,
    kl.BatchNormalization: _batch_norm,
    kl.LayerNormalization: _layer_norm,
    kl.RMSNormalization: _rms_norm,
    kl.GroupNormalization: _group_norm,
    kl.MaxPooling2D: _pool("max_pool2d"),
    kl.AveragePooling2D: _pool("avg_pool2d"),
    kl.GlobalAveragePooling2D: _global_pool,
    kl.Flatten: _flatten,
    kl.Reshape: _reshape,
    kl.ReLU: _relu,
    kl.LeakyReLU: lambda m: [{"type": "leaky_relu", "negative_slope": float(m.negative_slope)}],
    kl.ELU: lambda m: [{"type": "elu", "alpha": float(m.alpha)}],
    kl.Softmax: _softmax,
    kl.Activation: _activation,
    kl.Dropout: lambda m: [{"type": "dropout", "rate": m.rate}],
}
# Keras' weights by PyTorch's names, in the order of get_weights.
_STATISTICS = ("running_mean", "running_var")
_RENORM_STATISTICS = ("running_std", "renorm_mean", "renorm_std")
_WEIGHTS = {
    "linear": ("weight", "bias"),
    "conv2d": ("weight", "bias"),
    "batch_norm": ("weight", "bias", *_STATISTICS, *_RENORM_STATISTICS),
    "layer_norm": ("weight", "bias"),
    "rms_norm": ("weight",),
    "group_norm": ("weight", "bias"),
    "instance_norm": ("weight", "bias"),
}


def turned(values: np.ndarray) -> np.ndarray:
    """A kernel (..., in, out) as (out, in, ...)."""
    rank = values.ndim
    return np.ascontiguousarray(values.transpose(rank - 1, rank - 2, *range(rank - 2)))


def present(layer: Mapping[str, Any]) -> List[str]:
    """The weights that the layer has, by PyTorch's names."""
    names = _WEIGHTS.get(model_file.kind_of(layer), ())
    without = set() if layer.get("renorm") else set(_RENORM_STATISTICS)
    if layer.get("use_bias") is False or layer.get("center") is False:
        without.add("bias")
    if layer.get("scale") is False:
        without.add("weight")
    return [name for name in names if name not in without]


class Link(NamedTuple):
    """One layer of a session: its map for create, and Keras' variables by PyTorch's names."""

    layer: Dict[str, Any]
    variables: Dict[str, Any]
    batches: int


def _chain(model: Any) -> Iterator[Any]:
    """The layers of a layer, a Sequential or a functional chain, in order."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _chain(layer)
    elif isinstance(model, keras.Model):
        if not hasattr(model, "outputs") or len(model.inputs) != 1 or len(model.outputs) != 1:
            raise _refused(model, "more than one input or output, or a subclassed model")
        backwards = []
        history = model.outputs[0]._keras_history
        while True:
            operation = history.operation
            node = operation._inbound_nodes[history.node_index]
            if node.is_input:
                break
            if len(node.input_tensors) != 1:
                raise _refused(operation, f"layer {operation.name!r}, which is no link of a chain")
            backwards.append(operation)
            history = node.input_tensors[0]._keras_history
        for layer in reversed(backwards):
            yield from _chain(layer)
    elif type(model) is not kl.InputLayer:
        yield model


# Layers whose output is not negative, and those that keep it so: behind them a padding of zeros
# never is the largest value of a window but where all are 0.
_NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softplus", "softmax")
_KEEPS_SIGN = ("dropout", "max_pool2d", "avg_pool2d")


def is_not_negative(before: List[Mapping[str, Any]]) -> bool:
    """Whether what comes out of these layers is 0 or more."""
    for layer in reversed(before):
        if layer["type"] not in _KEEPS_SIGN:
            return layer["type"] in _NOT_NEGATIVE
    return False


def _pad(zeros: Any, own: Dict[str, Any], before: List[Mapping[str, Any]]) -> None:
    """Takes the padding of a layer before it into a convolution or pooling."""
    (top, bottom), (left, right) = zeros.padding
    kinds = ("conv2d", "avg_pool2d", "max_pool2d")
    if own["type"] not in kinds or own["padding"] != "valid":
        raise _refused(zeros, "a padding that is not right before a Conv2D or pooling without one")
    if own["data_format"] != zeros.data_format or top != bottom or left != right:
        raise _refused(zeros, f"padding {zeros.padding}, which is not the same on both sides")
    if own["type"] == "max_pool2d" and not is_not_negative(before):
        raise _refused(zeros, "zeros before MaxPooling2D where values may be negative")
    own["padding"] = [top, left]
    if own["type"] == "avg_pool2d":
        own["count_include_pad"] = True


def _variables(layer: Any, own: Mapping[str, Any], seen: Set[int]) -> Dict[str, Any]:
    names = present(own)
    weights = list(layer.weights)
    if len(names) != len(weights):
        raise _refused(layer, f"weights {', '.join(weight.name for weight in weights)}")
    if any(id(weight) in seen for weight in weights):
        raise _refused(layer, f"the weights of {layer.name!r} in two places")
    seen.update(id(weight) for weight in weights)
    return dict(zip(names, weights))


def links_of(model: Any) -> List[Link]:
    """The layers of a built layer or model."""
    links: List[Link] = []
    seen: Set[int] = set()
    zeros = None
    for layer in _chain(model):
        if type(layer) is kl.ZeroPadding2D and zeros is None:
            zeros = layer
            continue
        if type(layer) not in _READERS:
            raise _refused(layer)
        if not layer.built:
            raise ValueError(f"{layer.name}: expected a layer that is built; call it, or build()")
        own, *rest = _READERS[type(layer)](layer) or [None]
        if own is None:
            continue  # the linear activation
        own.update(_penalties(layer))
        if zeros is not None:
            _pad(zeros, own, [link.layer for link in links])
            zeros = None
        if own["type"] in _WEIGHTS and not layer.trainable:
            own["trainable"] = False
        variables = _variables(layer, own, seen)
        links.append(Link(own, variables, getattr(layer, BATCHES, 0)))
        links.extend(Link(extra, {}, 0) for extra in rest)
    if zeros is not None:
        raise _refused(zeros, "a padding at the end")
    return links


def _part(link: Link) -> Part:
    tensors = {name: np.asarray(keras.ops.convert_to_numpy(variable))
               for name, variable in link.variables.items()}
    if link.layer["type"] in ("linear", "conv2d"):
        tensors["weight"] = turned(tensors["weight"])
    if "running_mean" in tensors:
        tensors["num_batches_tracked"] = np.array(link.batches, "i8")
    return Part(link.layer, tensors)


def parts_of_layer(model: Any) -> List[Part]:
    """The layers of a built layer or model with their tensors."""
    return [_part(link) for link in links_of(model)]


def variables_of(model: Any) -> Dict[str, Any]:
    """Keras' variables by the session's names of them, "3.weight"."""
    return {f"{index}.{name}": variable
            for index, link in enumerate(links_of(model))
            for name, variable in link.variables.items()}
