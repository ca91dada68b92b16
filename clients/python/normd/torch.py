# SPDX-License-Identifier: Apache-2.0
"""PyTorch's models to sessions and back, with the same bits of every parameter and buffer.

    session = normd.torch.from_module(client, "net", module, optimizer=torch.optim.Adam(...))
    module = normd.torch.to_module(session)
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import numpy as np

from normd import model_file
from normd.client import Client, Named
from normd.model_file import Part
from normd.session import Session

try:
    import torch
    from torch import nn
except ImportError as error:  # pragma: no cover - an environment without PyTorch
    raise ImportError("normd.torch needs PyTorch: pip install torch") from error

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


def _batch_norm(m: Any) -> Dict[str, Any]:
    return {"type": "batch_norm", "features": m.num_features, "eps": m.eps,
            "momentum": m.momentum, "affine": m.affine,
            "track_running_stats": m.track_running_stats}


def _instance_norm(m: Any) -> Dict[str, Any]:
    return {**_batch_norm(m), "type": "instance_norm"}


def _layer_norm(m: Any) -> Dict[str, Any]:
    return {"type": "layer_norm", "normalized_shape": list(m.normalized_shape), "eps": m.eps,
            "elementwise_affine": m.elementwise_affine,
            "bias": not m.elementwise_affine or m.bias is not None}


def _rms_norm(m: Any) -> Dict[str, Any]:
    return {"type": "rms_norm", "normalized_shape": list(m.normalized_shape), "eps": m.eps,
            "elementwise_affine": m.elementwise_affine}


def _group_norm(m: Any) -> Dict[str, Any]:
    return {"type": "group_norm", "num_groups": m.num_groups, "num_channels": m.num_channels,
            "eps": m.eps, "affine": m.affine}


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


def _plain(kind: str, *names: str) -> Callable[[Any], Dict[str, Any]]:
    return lambda m: {"type": kind, **{name: getattr(m, name) for name in names}}


# What becomes of each kind of module. Classes exactly: a subclass may compute something else.
_READERS: Dict[type, Callable[[Any], Dict[str, Any]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.SyncBatchNorm: _batch_norm,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.InstanceNorm3d: _instance_norm,
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
    nn.Dropout: _plain("dropout", "p"),
}


def _refused(module: nn.Module, why: str = "") -> ValueError:
    name = type(module).__name__
    if why:
        return ValueError(f"{name}: a session has no counterpart for {why}")
    known = ", ".join(sorted(kind.__name__ for kind in _READERS))
    return ValueError(f"{name} has no counterpart in a session; known are Sequential, {known}")


def _leaves(module: nn.Module, prefix: str = "") -> Iterator[Leaf]:
    """Every layer with its prefix in the state_dict, Sequentials opened."""
    if type(module) is nn.Sequential:
        for name, child in module.named_children():
            yield from _leaves(child, f"{prefix}{name}.")
    elif type(module) is not nn.Identity:
        if type(module) not in _READERS:
            raise _refused(module)
        yield prefix, module


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
    for _, leaf in _leaves(module):
        layer = {**_READERS[type(leaf)](leaf), **_frozen(leaf, module.training)}
        tensors = {name: _numpy(value) for name, value in leaf.state_dict().items()}
        parts.append(Part(layer, tensors))
    return parts


def _numpy(value: torch.Tensor) -> np.ndarray:
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    return value.detach().cpu().numpy()


# ---- Optimizers ----

_OPTIONS: Dict[type, Tuple[str, Tuple[str, ...]]] = {
    torch.optim.SGD: ("sgd", ("momentum", "dampening", "nesterov")),
    torch.optim.Adam: ("adam", ("betas", "eps", "amsgrad")),
    torch.optim.AdamW: ("adamw", ("betas", "eps", "amsgrad")),
    torch.optim.RMSprop: ("rmsprop", ("alpha", "eps", "momentum", "centered")),
    torch.optim.Adagrad: ("adagrad", ("lr_decay", "eps", "initial_accumulator_value")),
}
_EVERY_OPTION = ("lr", "weight_decay", "maximize")


def _plain_number(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    return [_plain_number(v) for v in value] if isinstance(value, tuple) else value


def optimizer_options(optimizer: torch.optim.Optimizer) -> Dict[str, Any]:
    """The option `optimizer` of session.create for an optimizer of PyTorch."""
    if type(optimizer) not in _OPTIONS:
        known = ", ".join(kind.__name__ for kind in _OPTIONS)
        raise ValueError(f"{type(optimizer).__name__} is not carried over; known are {known}")
    kind, own = _OPTIONS[type(optimizer)]
    groups = [
        {name: _plain_number(group[name]) for name in (*_EVERY_OPTION, *own)}
        for group in optimizer.param_groups
    ]
    if any(group != groups[0] for group in groups):
        raise ValueError("parameter groups with different options: give `optimizer` as a map")
    if optimizer.param_groups[0].get("decoupled_weight_decay") and kind == "adam":
        kind = "adamw"
    return {"type": kind, **groups[0]}


def _optimizer_state(
    optimizer: torch.optim.Optimizer, module: nn.Module
) -> Tuple[Dict[str, model_file.Tensors], int]:
    """Slots by the session's names, and the steps."""
    slots: Dict[str, model_file.Tensors] = {}
    steps = 0
    for index, (_, leaf) in enumerate(_leaves(module)):
        for name, parameter in leaf.named_parameters(recurse=False):
            state = dict(optimizer.state.get(parameter, {}))
            if "step" in state:
                steps = max(steps, int(state.pop("step")))
            arrays = {key: _numpy(value) for key, value in state.items() if value is not None}
            if arrays:
                slots[f"{index}.{name}"] = arrays
                # SGD counts no steps; but the first, which makes the buffer, is over.
                steps = max(steps, 1)
    return slots, steps


def load_optimizer(
    session: Session, optimizer: torch.optim.Optimizer, module: nn.Module
) -> None:
    """Sets the session's slots and steps to those of an optimizer of the module's parameters."""
    slots, steps = _optimizer_state(optimizer, module)
    if slots or steps:
        model_file.set_slots(session, slots, steps)


def to_optimizer(session: Session, module: nn.Module) -> torch.optim.Optimizer:
    """An optimizer of the module's parameters with the session's options, slots and steps."""
    options = dict(session.describe("pytorch")["optimizer"])
    kind = {own: kind for kind, (own, _) in _OPTIONS.items()}.get(options["type"])
    if kind is None or session.describe()["convention"] != "pytorch":
        raise ValueError(
            f"the session's optimizer is {options['type']} in the form of "
            f"{session.describe()['convention']}; PyTorch's form is needed"
        )
    names = (*_EVERY_OPTION, *_OPTIONS[kind][1])
    optimizer = kind(  # type: ignore[call-arg]
        [p for p in module.parameters() if p.requires_grad],
        **{n: tuple(options[n]) if isinstance(options[n], list) else options[n] for n in names},
    )
    slots, steps = model_file.slots_of(session)
    for index, (_, leaf) in enumerate(_leaves(module)):
        for name, parameter in leaf.named_parameters(recurse=False):
            own = slots.get(f"{index}.{name}")
            if steps == 0 or not parameter.requires_grad:
                continue
            state: Dict[str, Any] = {
                slot: torch.from_numpy(values.copy()) for slot, values in (own or {}).items()
            }
            if kind is not torch.optim.SGD:
                state["step"] = torch.tensor(float(steps))
            if state:
                optimizer.state[parameter] = state
    return optimizer


# ---- Models ----


def from_module(
    client: Client,
    name: str,
    module: nn.Module,
    *,
    input: Any = None,
    loss: Optional[Named] = None,
    optimizer: Union[torch.optim.Optimizer, Named, None] = None,
    seed: Optional[int] = None,
    if_exists: Optional[str] = None,
) -> Session:
    """Makes a session of the module's layers, with its parameters and buffers.

    `module` is a layer or a Sequential, with Sequentials inside if need be; `input` is the shape of
    x without the batch axis; an optimizer of torch.optim brings its options and its state.
    """
    parts = parts_of_module(module)
    if not parts:
        raise ValueError("a module without layers makes no session")
    dtypes = {values.dtype for part in parts for values in part.tensors.values()}
    is_torch = isinstance(optimizer, torch.optim.Optimizer)
    session = client.create(
        name,
        [part.layer for part in parts],
        input=list(input) if isinstance(input, (tuple, torch.Size)) else input,
        loss=loss,
        optimizer=optimizer_options(optimizer) if is_torch else optimizer,  # type: ignore[arg-type]
        convention="pytorch",
        dtype="float64" if np.dtype("f8") in dtypes else "float32",
        seed=seed,
        if_exists=if_exists,
    )
    if any(part.tensors for part in parts):
        session.import_(model_file.write(model_file.tensors_of(parts)), "safetensors")
    if is_torch:
        load_optimizer(session, optimizer, module)  # type: ignore[arg-type]
    return session


def _norm_class(kind: str, layer: Mapping[str, Any], rank: int) -> nn.Module:
    ranks = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}
    axis = layer["axis"] if layer["axis"] >= 0 else layer["axis"] + rank
    if rank not in ranks or axis != 1:
        raise ValueError(f"{kind} over axis {layer['axis']} of {rank} has no module in PyTorch")
    if kind == "BatchNorm" and layer["affine" if "affine" in layer else "scale"] != layer.get(
        "center", layer.get("affine")
    ):
        raise ValueError("BatchNorm with scale and without center has no module in PyTorch")
    return getattr(nn, f"{kind}{ranks[rank]}")(
        layer["features"], eps=layer["eps"], momentum=layer["momentum"],
        affine=layer.get("affine", layer.get("scale")),
        track_running_stats=layer["track_running_stats"],
    )


def _window(layer: Mapping[str, Any]) -> Dict[str, Any]:
    if layer.get("data_format") == "channels_last":
        raise ValueError(f"{layer['type']} with channels last has no module in PyTorch")
    padding = layer["padding"]
    return {
        "kernel_size": tuple(layer["kernel_size"]),
        "stride": tuple(layer["stride"]),
        "padding": padding if isinstance(padding, str) else tuple(padding),
    }


def _make(layer: Mapping[str, Any], rank: int) -> nn.Module:
    kind = layer["type"]
    if kind == "linear":
        return nn.Linear(layer["in"], layer["out"], bias=layer["bias"])
    if kind == "conv2d":
        return nn.Conv2d(layer["in"], layer["out"], dilation=tuple(layer["dilation"]),
                         groups=layer["groups"], bias=layer["bias"], **_window(layer))
    if kind.startswith("batch_norm"):
        return _norm_class("BatchNorm", layer, rank)
    if kind.startswith("instance_norm"):
        return _norm_class("InstanceNorm", layer, rank)
    if kind == "layer_norm":
        return nn.LayerNorm(layer["normalized_shape"], eps=layer["eps"],
                            elementwise_affine=layer["elementwise_affine"], bias=layer["bias"])
    if kind == "rms_norm":
        return nn.RMSNorm(layer["normalized_shape"], eps=layer["eps"],
                          elementwise_affine=layer["elementwise_affine"])
    if kind == "group_norm":
        return nn.GroupNorm(layer["num_groups"], layer["num_channels"], eps=layer["eps"],
                            affine=layer["affine"])
    if kind == "max_pool2d":
        return nn.MaxPool2d(**_window(layer))
    if kind == "avg_pool2d":
        return nn.AvgPool2d(count_include_pad=layer["count_include_pad"], **_window(layer))
    if kind == "global_avg_pool2d":
        pool = nn.AdaptiveAvgPool2d(1)
        return pool if layer["keepdims"] else nn.Sequential(pool, nn.Flatten())
    plain = {
        "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
        "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "hardswish": nn.Hardswish,
        "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "flatten": nn.Flatten,
        "dropout": nn.Dropout,
    }.get(kind)
    if plain is None:
        raise ValueError(f"layer {kind} has no module in PyTorch")
    options = {key: value for key, value in layer.items() if key not in ("type", "seed")}
    if kind == "softplus" and options["threshold"] is None:
        # Keras has no threshold; beyond this one x is softplus(x) to the last place.
        options["threshold"] = 40.0
    return plain(**options)


def _ranks(layers: List[Mapping[str, Any]], input: Any) -> Iterator[int]:
    """The rank of x before each layer; 2 where nothing tells."""
    rank = 1 + len(input) if input else 0
    for layer in layers:
        kind = layer["type"]
        if rank == 0:
            rank = 4 if any(l["type"].endswith("2d") for l in layers) else 2
        yield rank
        if kind == "flatten":
            rank = layer["start_dim"] + 1
        elif kind == "global_avg_pool2d" and not layer["keepdims"]:
            rank = 2


def to_module(session: Session) -> nn.Sequential:
    """The session as a Sequential: the same layers, the same bits of parameters and buffers."""
    parts = model_file.parts_of(session, "pytorch")
    description = session.describe("pytorch")
    modules = []
    layers = [part.layer for part in parts]
    for part, rank in zip(parts, _ranks(layers, description["input"])):
        module = _make(part.layer, rank)
        if description["dtype"] == "float64":
            module = module.double()
        own = set(module.state_dict())
        module.load_state_dict({
            name: torch.from_numpy(np.array(values))
            for name, values in part.tensors.items() if name in own
        })
        if part.layer.get("trainable") is False:
            module.requires_grad_(False)
        if part.layer.get("trainable") is False or part.layer.get("frozen_stats"):
            module.eval()
        modules.append(module)
    return nn.Sequential(*modules)


def state_dict(session: Session) -> Dict[str, torch.Tensor]:
    """The session's parameters and buffers, named as to_module(session).state_dict() has them."""
    parts = model_file.parts_of(session, "pytorch")
    tensors = model_file.tensors_of(parts)
    return {name: torch.from_numpy(np.array(values)) for name, values in tensors.items()}


def load_state_dict(
    session: Session, state: Union[Mapping[str, torch.Tensor], nn.Module]
) -> None:
    """Sets the session's parameters and buffers.

    From a module, or from a state_dict whose tensors come in the order of the session's layers,
    whatever their prefixes ("features.0.weight") are.
    """
    if isinstance(state, nn.Module):
        tensors = model_file.tensors_of(parts_of_module(state))
    else:
        tensors = _renamed(session, state)
    session.import_(model_file.write(tensors), "safetensors")


def _renamed(session: Session, state: Mapping[str, torch.Tensor]) -> model_file.Tensors:
    """The tensors under the session's names: prefix by prefix, layer by layer."""
    parts = model_file.parts_of(session, "pytorch")
    places = [str(index) for index, part in enumerate(parts) if part.tensors]
    prefixes = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    if len(prefixes) != len(places):
        raise ValueError(
            f"state_dict: expected tensors of {len(places)} layers, got {len(prefixes)}: "
            + ", ".join(prefixes)
        )
    place = dict(zip(prefixes, places))
    return {
        f"{place[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": _numpy(value)
        for name, value in state.items()
    }
