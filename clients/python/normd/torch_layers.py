# SPDX-License-Identifier: Apache-2.0
"""PyTorch's modules as layers of a session, and layers as modules."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy as np
import torch
from torch import nn

from normd import model_file
from normd.model_file import Part

Leaf = Tuple[str, nn.Module]


def _pair(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value


def _linear(m: Any) -> Dict[str, Any]:
    return {"type": "linear", "in": m.in_features, "out": m.out_features,
            "bias": m.bias is not None}


def _conv2d(m: Any) -> Dict[str, Any]:
    if m.padding_mode != "zeros":
        raise _refused(m, f"padding_mode {m.padding_mode!r}")
    return {"type": "conv2d", "in": m.in_channels, "out": m.out_channels,
            "kernel_size": _pair(m.kernel_size), "stride": _pair(m.stride),
            "padding": _pair(m.padding), "dilation": _pair(m.dilation), "groups": m.groups,
            "bias": m.bias is not None}


def _affine(m: Any) -> Dict[str, Any]:
    if m.affine and m.bias is None:
        return {"scale": True, "center": False}
    return {"affine": m.affine}


def _channel_norm(kind: str) -> Callable[[Any], Dict[str, Any]]:
    return lambda m: {"type": kind, "features": m.num_features, "eps": m.eps,
                      "momentum": m.momentum, **_affine(m),
                      "track_running_stats": m.track_running_stats}


def _layer_norm(m: Any) -> Dict[str, Any]:
    return {"type": "layer_norm", "normalized_shape": list(m.normalized_shape), "eps": m.eps,
            "elementwise_affine": m.elementwise_affine,
            "bias": not m.elementwise_affine or m.bias is not None}


def _rms_norm(m: Any) -> Dict[str, Any]:
    return {"type": "rms_norm", "normalized_shape": list(m.normalized_shape), "eps": m.eps,
            "elementwise_affine": m.elementwise_affine}


def _group_norm(m: Any) -> Dict[str, Any]:
    return {"type": "group_norm", "num_groups": m.num_groups, "num_channels": m.num_channels,
            "eps": m.eps, **_affine(m)}


def _max_pool(m: Any) -> Dict[str, Any]:
    if m.dilation not in (1, (1, 1)) or m.return_indices or m.ceil_mode:
        raise _refused(m, "dilation, return_indices or ceil_mode")
    return {"type": "max_pool2d", "kernel_size": _pair(m.kernel_size), "stride": _pair(m.stride),
            "padding": _pair(m.padding)}


def _avg_pool(m: Any) -> Dict[str, Any]:
    if m.ceil_mode or m.divisor_override is not None:
        raise _refused(m, "ceil_mode or divisor_override")
    return {"type": "avg_pool2d", "kernel_size": _pair(m.kernel_size), "stride": _pair(m.stride),
            "padding": _pair(m.padding), "count_include_pad": m.count_include_pad}


def _global_pool(m: Any) -> Dict[str, Any]:
    if m.output_size not in (1, (1, 1), [1, 1]):
        raise _refused(m, f"output_size {m.output_size}")
    return {"type": "global_avg_pool2d", "keepdims": True}


def _flatten(m: Any) -> Dict[str, Any]:
    if m.end_dim != -1:
        raise _refused(m, f"end_dim {m.end_dim}")
    return {"type": "flatten", "start_dim": m.start_dim}


def _softmax(kind: str) -> Callable[[Any], Dict[str, Any]]:
    def read(m: Any) -> Dict[str, Any]:
        if m.dim is None:
            raise _refused(m, "dim None, which depends on the number of axes")
        return {"type": kind, "dim": m.dim}
    return read


def _plain(kind: str, *names: str) -> Callable[[Any], Dict[str, Any]]:
    return lambda m: {"type": kind, **{name: getattr(m, name) for name in names}}


# What becomes of each kind of module. Classes exactly: a subclass may compute something else.
_READERS: Dict[type, Callable[[Any], Dict[str, Any]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.BatchNorm1d: _channel_norm("batch_norm1d"),
    nn.BatchNorm2d: _channel_norm("batch_norm2d"),
    nn.BatchNorm3d: _channel_norm("batch_norm3d"),
    nn.SyncBatchNorm: _channel_norm("batch_norm"),
    nn.InstanceNorm1d: _channel_norm("instance_norm1d"),
    nn.InstanceNorm2d: _channel_norm("instance_norm2d"),
    nn.InstanceNorm3d: _channel_norm("instance_norm3d"),
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _rms_norm,
    nn.GroupNorm: _group_norm,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
    nn.Flatten: _flatten,
    nn.ReLU: _plain("relu"),
    nn.ReLU6: _plain("relu6"),
    nn.LeakyReLU: _plain("leaky_relu", "negative_slope"),
    nn.ELU: _plain("elu", "alpha"),
    nn.SELU: _plain("selu"),
    nn.GELU: _plain("gelu", "approximate"),
    nn.SiLU: _plain("silu"),
    nn.Hardswish: _plain("hardswish"),
    nn.Tanh: _plain("tanh"),
    nn.Sigmoid: _plain("sigmoid"),
    nn.Softplus: _plain("softplus", "beta", "threshold"),
    nn.Softmax: _softmax("softmax"),
    nn.LogSoftmax: _softmax("log_softmax"),
    nn.Dropout: _plain("dropout", "p"),
}


def _refused(module: nn.Module, why: str = "") -> ValueError:
    name = type(module).__name__
    if why:
        return ValueError(f"{name}: a session has no counterpart for {why}")
    known = ", ".join(sorted(kind.__name__ for kind in _READERS))
    return ValueError(f"{name} has no counterpart in a session; known are Sequential, {known}")


def _walk(module: nn.Module, prefix: str) -> Iterator[Leaf]:
    if type(module) is nn.Sequential:
        # Not named_children(), which leaves out what comes a second time.
        for name, child in module._modules.items():
            if child is not None:
                yield from _walk(child, f"{prefix}{name}.")
    elif type(module) is not nn.Identity:
        if type(module) not in _READERS:
            raise _refused(module)
        yield prefix, module


def leaves(module: nn.Module) -> List[Leaf]:
    """Every layer with its prefix in the state_dict, Sequentials opened.

    A layer without parameters and buffers may come more than once.
    """
    found = list(_walk(module, ""))
    first: Dict[int, str] = {}
    for prefix, leaf in found:
        for name, values in [*leaf.named_parameters(), *leaf.named_buffers()]:
            place = f"{prefix}{name}"
            if first.setdefault(id(values), place) != place:
                raise _refused(leaf, f"one {name} in two places, {first[id(values)]} and {place}")
    return found


def _frozen(module: nn.Module, training: bool) -> Dict[str, Any]:
    """`trainable` and `frozen_stats`, of requires_grad and of eval() inside a training module."""
    wants = {parameter.requires_grad for parameter in module.parameters(recurse=False)}
    if len(wants) > 1:
        raise _refused(module, "parameters of which some require gradients and some do not")
    tracks = getattr(module, "track_running_stats", False)
    kept = training and tracks and not module.training
    if wants != {False}:
        return {"frozen_stats": True} if kept else {}
    if training and tracks and not kept:
        raise _refused(module, "frozen parameters with statistics of the batch: call its eval()")
    return {"trainable": False}


def parts_of_module(module: nn.Module) -> List[Part]:
    """The module as layers with their tensors."""
    parts = []
    for _, leaf in leaves(module):
        layer = {**_READERS[type(leaf)](leaf), **_frozen(leaf, module.training)}
        tensors = {name: to_numpy(value) for name, value in leaf.state_dict().items()}
        parts.append(Part(layer, tensors))
    return parts


def to_numpy(value: torch.Tensor) -> np.ndarray:
    """The values as an array; of half floats as float32, which holds them."""
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    return value.detach().cpu().numpy()


# ---- Layers as modules ----


def _no_module(layer: Mapping[str, Any], what: str) -> ValueError:
    return ValueError(f"{layer['type']} with {what} has no module in PyTorch")


def _given_affine(layer: Mapping[str, Any], make: Callable[..., nn.Module]) -> Dict[str, Any]:
    """`affine` and, where there is a weight alone, `bias`."""
    scale = layer.get("affine", layer.get("scale"))
    center = layer.get("center", scale and layer.get("bias", True))
    if center and not scale:
        raise _no_module(layer, "center and without scale")
    if scale == center:
        return {"affine": scale}
    if "bias" not in inspect.signature(make).parameters:  # older versions of PyTorch
        raise _no_module(layer, "scale and without center")
    return {"affine": True, "bias": False}


def _check_axis(layer: Mapping[str, Any], rank: int) -> None:
    if layer["axis"] not in (1, 1 - rank):
        where = f"of {rank} axes" if rank else "of an x of which nothing tells the axes"
        raise _no_module(layer, f"the features on axis {layer['axis']} {where}")


def _make_channel_norm(layer: Mapping[str, Any], rank: int) -> nn.Module:
    kind = "BatchNorm" if layer["type"].startswith("batch_norm") else "InstanceNorm"
    told = {"1d": 3, "2d": 4, "3d": 5}.get(layer["type"][-2:], 0)
    batch = kind == "BatchNorm"
    # Where nothing tells, BatchNorm1d: it refuses what it does not fit.
    rank = rank or told or (2 if batch else 0)
    _check_axis(layer, rank)
    ranks = {2: "1d", 3: "1d", 4: "2d", 5: "3d"} if batch else {3: "1d", 4: "2d", 5: "3d"}
    if rank not in ranks:
        raise _no_module(layer, f"an x of {rank} axes" if rank else "an x of unknown shape")
    make = getattr(nn, f"{kind}{ranks[rank]}")
    return make(layer["features"], eps=layer["eps"], momentum=layer["momentum"],
                track_running_stats=layer["track_running_stats"], **_given_affine(layer, make))


def _make_group_norm(layer: Mapping[str, Any], rank: int) -> nn.Module:
    _check_axis(layer, rank)
    return nn.GroupNorm(layer["num_groups"], layer["num_channels"], eps=layer["eps"],
                        **_given_affine(layer, nn.GroupNorm))


def _make_layer_norm(layer: Mapping[str, Any]) -> nn.Module:
    if "elementwise_affine" not in layer:
        raise _no_module(layer, "center and without scale")
    return nn.LayerNorm(layer["normalized_shape"], eps=layer["eps"],
                        elementwise_affine=layer["elementwise_affine"], bias=layer["bias"])


def _check_channels(layer: Mapping[str, Any]) -> None:
    if layer["data_format"] == "channels_last":
        raise _no_module(layer, "channels last")


def _window(layer: Mapping[str, Any]) -> Dict[str, Any]:
    _check_channels(layer)
    padding = layer["padding"]
    if padding == "same":
        ones = list(layer["stride"]) == [1, 1]
        if layer["type"] != "conv2d" and ones and all(k % 2 for k in layer["kernel_size"]):
            padding = [k // 2 for k in layer["kernel_size"]]
        elif layer["type"] != "conv2d" or not ones:
            raise _no_module(layer, f'padding "same" and stride {layer["stride"]}')
    return {
        "kernel_size": tuple(layer["kernel_size"]),
        "stride": tuple(layer["stride"]),
        "padding": padding if isinstance(padding, str) else tuple(padding),
    }


def _make_global_pool(layer: Mapping[str, Any]) -> nn.Module:
    _check_channels(layer)
    pool = nn.AdaptiveAvgPool2d(1)
    return pool if layer["keepdims"] else nn.Sequential(pool, nn.Flatten())


_ELEMENTWISE = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
    "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "hardswish": nn.Hardswish,
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "flatten": nn.Flatten,
    "dropout": nn.Dropout, "softmax": nn.Softmax, "log_softmax": nn.LogSoftmax,
}


def _make_elementwise(layer: Mapping[str, Any]) -> nn.Module:
    if layer["type"] not in _ELEMENTWISE:
        raise ValueError(f"layer {layer['type']} has no module in PyTorch")
    options = {key: value for key, value in layer.items() if key not in ("type", "seed")}
    if layer["type"] == "softplus" and options["threshold"] is None:
        # Keras has no threshold; beyond this one x is softplus(x) to the last place.
        options["threshold"] = 40.0
    return _ELEMENTWISE[layer["type"]](**options)


def make_module(layer: Mapping[str, Any], rank: int) -> nn.Module:
    """The module of a layer that is described in PyTorch's words; rank is x's, 0 if not known."""
    kind = model_file.kind_of(layer)
    if kind == "linear":
        return nn.Linear(layer["in"], layer["out"], bias=layer["bias"])
    if kind == "conv2d":
        return nn.Conv2d(layer["in"], layer["out"], dilation=tuple(layer["dilation"]),
                         groups=layer["groups"], bias=layer["bias"], **_window(layer))
    if kind in ("batch_norm", "instance_norm"):
        return _make_channel_norm(layer, rank)
    if kind == "group_norm":
        return _make_group_norm(layer, rank)
    if kind == "layer_norm":
        return _make_layer_norm(layer)
    if kind == "rms_norm":
        return nn.RMSNorm(layer["normalized_shape"], eps=layer["eps"],
                          elementwise_affine=layer["elementwise_affine"])
    if kind == "max_pool2d":
        return nn.MaxPool2d(**_window(layer))
    if kind == "avg_pool2d":
        return nn.AvgPool2d(count_include_pad=layer["count_include_pad"], **_window(layer))
    if kind == "global_avg_pool2d":
        return _make_global_pool(layer)
    return _make_elementwise(layer)


def check_training(layer: Mapping[str, Any]) -> None:
    """Refuses what acts in training and PyTorch's modules do not have; warns where they differ."""
    acting = [name for name, value in layer.items()
              if name.endswith(("_regularizer", "_constraint")) and value is not None]
    acting += [name for name in ("virtual_batch_size", "renorm") if layer.get(name)]
    kind = model_file.kind_of(layer)
    if kind == "instance_norm" and layer["track_running_stats"] and layer["momentum"] is None:
        acting.append("momentum None")
    if acting:
        raise ValueError(
            f"{layer['type']}: PyTorch's module has no {', '.join(acting)}, which acts in training; "
            "inference=True makes a module without it"
        )
    if layer.get("track_running_stats") and layer["running_variance"] == "biased":
        warnings.warn(
            "PyTorch stores the unbiased running variance: training there moves it another way",
            stacklevel=3,
        )


def ranks(layers: List[Mapping[str, Any]], shape: Any) -> Iterator[int]:
    """The rank of x before each layer; 0 where nothing tells."""
    rank = 1 + len(shape) if shape else 0
    for layer in layers:
        kind = layer["type"]
        if rank == 0 and ("2d" in kind or kind == "linear"):
            rank = 2 if kind == "linear" else 4
        yield rank
        if kind == "flatten":
            rank = layer["start_dim"] + 1
        elif kind == "global_avg_pool2d" and not layer["keepdims"]:
            rank = 2


# ---- Modules beside the layers of a session ----


def paired(parts: List[Part], module: nn.Module) -> List[Tuple[int, nn.Module]]:
    """The modules with parameters or buffers, each with the number of the layer that it is."""
    ours = [(index, part) for index, part in enumerate(parts) if model_file.shared(part)]
    theirs = [leaf for leaf in leaves(module) if leaf[1].state_dict()]
    if len(ours) != len(theirs):
        raise ValueError(
            f"expected a module of {len(ours)} layers with parameters or buffers, as the session "
            f"has them, got {len(theirs)}")
    for (index, part), (prefix, leaf) in zip(ours, theirs):
        kind = model_file.kind_of(_READERS[type(leaf)](leaf))
        want = {name: tuple(v.shape) for name, v in model_file.shared(part).items()}
        got = {name: tuple(v.shape) for name, v in leaf.state_dict().items()}
        if kind != model_file.kind_of(part.layer) or want != got:
            raise ValueError(
                f"{prefix.rstrip('.') or 'module'}: expected layer {index} of the session, "
                f"{part.layer['type']} of {want}, got {type(leaf).__name__} of {got}")
    return [(index, leaf) for (index, _), (_, leaf) in zip(ours, theirs)]
