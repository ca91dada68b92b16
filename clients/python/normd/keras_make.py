# SPDX-License-Identifier: Apache-2.0
"""Layers of a session as layers of Keras."""

from __future__ import annotations

import warnings
from typing import Any, Dict, List, Mapping, Optional, Sequence

import keras
import numpy as np
from keras import layers as kl

from normd.keras_read import is_not_negative

_PENALTIES = {
    "l1": keras.regularizers.L1, "l2": keras.regularizers.L2, "l1_l2": keras.regularizers.L1L2,
    "max_norm": keras.constraints.MaxNorm, "non_neg": keras.constraints.NonNeg,
    "unit_norm": keras.constraints.UnitNorm, "min_max_norm": keras.constraints.MinMaxNorm,
}


def _none(what: str) -> ValueError:
    return ValueError(f"{what} has no layer in Keras")


def turned_back(values: np.ndarray) -> np.ndarray:
    """A kernel (out, in, ...) as (..., in, out)."""
    return np.ascontiguousarray(values.transpose(*range(2, values.ndim), 1, 0))


def _penalties(layer: Mapping[str, Any]) -> Dict[str, Any]:
    """The arguments of Keras' layer for regularizers and constraints."""
    made = {}
    for key, value in layer.items():
        if key.endswith(("_regularizer", "_constraint")) and value is not None:
            arguments = {name: v for name, v in value.items() if name != "name"}
            made[key] = _PENALTIES[value["name"]](**arguments)
    return made


def _check_statistics(layer: Mapping[str, Any]) -> None:
    """Refuses a batch norm that would behave another way in Keras."""
    if layer["momentum"] is None:
        raise _none("batch_norm with momentum null")
    if not layer["track_running_stats"]:
        raise _none("batch_norm without running statistics")
    if layer["virtual_batch_size"] is not None:
        raise _none(f"batch_norm with virtual_batch_size {layer['virtual_batch_size']}")
    if layer["frozen_stats"] and layer["trainable"]:
        raise _none("batch_norm with frozen_stats and trainable parameters")
    if layer["running_variance"] == "unbiased":
        warnings.warn(
            "Keras stores the biased running variance: training there moves it another way",
            stacklevel=5,
        )


def _norm(layer: Mapping[str, Any], dtype: str) -> Any:
    kind = layer["type"]
    penalties = _penalties(layer)
    if kind == "rms_norm":
        if not layer["scale"] or penalties:
            raise _none("rms_norm " + (f"with {next(iter(penalties))}" if penalties
                                       else "without scale"))
        return kl.RMSNormalization(axis=layer["axis"], epsilon=layer["epsilon"], dtype=dtype)
    options = {"axis": layer["axis"], "epsilon": layer["epsilon"], "center": layer["center"],
               "scale": layer["scale"], "dtype": dtype, **penalties}
    if kind == "layer_norm":
        return kl.LayerNormalization(**options)
    if kind == "group_norm":
        return kl.GroupNormalization(layer["groups"], **options)
    if kind.startswith("instance_norm") and not layer["track_running_stats"]:
        return kl.GroupNormalization(-1, **options)
    if kind.startswith("batch_norm"):
        _check_statistics(layer)
        if layer.get("renorm"):
            options.update({key: layer[key] for key in layer if key.startswith("renorm")})
        return kl.BatchNormalization(momentum=layer["momentum"], **options)
    raise _none(f"{kind} with running statistics" if "instance" in kind else f"layer {kind}")


def _pads_as_same(layer: Mapping[str, Any], size: str, shape: Sequence[Optional[int]]) -> bool:
    """Whether "same" has the same windows in Keras, for images of this shape."""
    begin = 2 if layer["data_format"] == "channels_first" else 1
    dilations = layer.get("dilation_rate", (1, 1))
    for extent, pad, kernel, stride, dilation in zip(
            shape[begin:], layer["padding"], layer[size], layer["strides"], dilations):
        reach = dilation * (kernel - 1) + 1
        if stride == 1:
            if reach != 2 * pad + 1:
                return False
        elif extent is None:
            return False
        else:
            outputs = -(-extent // stride)
            missing = max((outputs - 1) * stride + reach - extent, 0)
            if missing // 2 != pad or (extent + 2 * pad - reach) // stride + 1 != outputs:
                return False
    return True


def _window(layer: Mapping[str, Any], dtype: str, shape: Sequence[Optional[int]],
            before: List[Mapping[str, Any]]) -> List[Any]:
    """A convolution or pooling, with a layer for the padding where Keras needs one."""
    kind, padding = layer["type"], layer["padding"]
    size = "kernel_size" if kind == "conv2d" else "pool_size"
    common = {"data_format": layer["data_format"], "dtype": dtype}
    zeros = []
    if not isinstance(padding, str):
        fits = _pads_as_same(layer, size, shape)
        # Zeros in front are the better choice where both are exact and "same" would depend on the
        # extents of the images: PyTorch has no "same" with strides, should the model go on to it.
        zeros_fit = kind == "conv2d" or (kind == "avg_pool2d" and layer["count_include_pad"]) or (
            kind == "max_pool2d" and is_not_negative(before))
        if not any(padding):
            padding = "valid"
        elif fits and (not zeros_fit or (kind == "conv2d" and set(layer["strides"]) == {1})):
            padding = "same"
        elif zeros_fit:
            zeros = [kl.ZeroPadding2D(tuple(padding), **common)]
            padding = "valid"
        else:
            raise _none(f"{kind} with padding {padding}")
    elif kind == "avg_pool2d" and padding == "same" and layer["count_include_pad"]:
        raise _none("avg_pool2d with padding same that counts in the mean")
    options = {size: tuple(layer[size]), "strides": tuple(layer["strides"]), "padding": padding,
               **common}
    if kind == "max_pool2d":
        return [*zeros, kl.MaxPooling2D(**options)]
    if kind == "avg_pool2d":
        return [*zeros, kl.AveragePooling2D(**options)]
    return [*zeros, kl.Conv2D(
        layer["filters"], dilation_rate=tuple(layer["dilation_rate"]), groups=layer["groups"],
        use_bias=layer["use_bias"], **_penalties(layer), **options)]


def _flatten(layer: Mapping[str, Any], dtype: str, shape: Sequence[Optional[int]]) -> Any:
    start = layer["start_dim"]
    if start == 1:
        # The channels stay where they are, as in a session.
        return kl.Flatten(data_format="channels_last", dtype=dtype)
    kept = tuple(shape[1:start])
    if None in kept:
        raise _none(f"flatten with start_dim {start} and extents that are not known")
    return kl.Reshape((*kept, -1), dtype=dtype)


def _activation(layer: Mapping[str, Any], dtype: str) -> Any:
    kind = layer["type"]
    if kind == "leaky_relu":
        return kl.LeakyReLU(negative_slope=layer["negative_slope"], dtype=dtype)
    if kind == "elu":
        return kl.ELU(alpha=layer["alpha"], dtype=dtype)
    if kind == "softmax":
        return kl.Softmax(axis=layer["axis"], dtype=dtype)
    if kind == "softplus" and layer["beta"] != 1.0:
        raise _none("softplus with a beta")
    if kind == "gelu" and layer["approximate"] not in (False, None, "none"):
        raise _none("gelu with approximate")
    if kind in ("relu", "relu6", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus"):
        return kl.Activation(kind, dtype=dtype)
    return kl.Activation("hard_silu", dtype=dtype) if kind == "hardswish" else None


def layers_of(layer: Mapping[str, Any], dtype: str, shape: Sequence[Optional[int]],
              before: List[Mapping[str, Any]]) -> List[Any]:
    """What becomes of a layer behind those of `before`, which get `shape`, with the batch axis.

    The last one has the layer's weights.
    """
    kind = layer["type"]
    if kind == "linear":
        return [kl.Dense(layer["units"], use_bias=layer["use_bias"], dtype=dtype,
                         **_penalties(layer))]
    if kind in ("conv2d", "max_pool2d", "avg_pool2d"):
        return _window(layer, dtype, shape, before)
    if kind == "global_avg_pool2d":
        return [kl.GlobalAveragePooling2D(
            data_format=layer["data_format"], keepdims=layer["keepdims"], dtype=dtype)]
    if kind == "flatten":
        return [_flatten(layer, dtype, shape)]
    if kind == "dropout":
        return [kl.Dropout(layer["rate"], dtype=dtype)]
    activation = _activation(layer, dtype)
    return [_norm(layer, dtype) if activation is None else activation]
