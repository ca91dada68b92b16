# SPDX-License-Identifier: Apache-2.0
"""PyTorch's optimizers as a session's, with their state, and back."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from normd import model_file
from normd.session import Session
from normd.torch_layers import leaves, paired, to_numpy

_ADAM = ("betas", "eps", "amsgrad")
_OPTIONS: Dict[type, Tuple[str, Tuple[str, ...]]] = {
    torch.optim.SGD: ("sgd", ("momentum", "dampening", "nesterov")),
    torch.optim.Adam: ("adam", (*_ADAM, "decoupled_weight_decay")),
    torch.optim.AdamW: ("adamw", _ADAM),
    torch.optim.NAdam: ("nadam", ("betas", "eps", "momentum_decay", "decoupled_weight_decay")),
    torch.optim.RMSprop: ("rmsprop", ("alpha", "eps", "momentum", "centered")),
    torch.optim.Adagrad: ("adagrad", ("lr_decay", "eps", "initial_accumulator_value")),
}
_EVERY_OPTION = ("lr", "weight_decay", "maximize")
# What PyTorch's optimizers keep for a parameter, and the option that a slot is there for.
_SLOTS: Dict[str, Dict[str, Optional[str]]] = {
    "sgd": {"momentum_buffer": "momentum"},
    "adam": {"exp_avg": None, "exp_avg_sq": None, "max_exp_avg_sq": "amsgrad"},
    "adamw": {"exp_avg": None, "exp_avg_sq": None, "max_exp_avg_sq": "amsgrad"},
    "nadam": {"exp_avg": None, "exp_avg_sq": None},
    "rmsprop": {"square_avg": None, "momentum_buffer": "momentum", "grad_avg": "centered"},
    "adagrad": {"sum": None},
}
# What a session's optimizer does besides, and PyTorch does around its own.
_BESIDE = ("schedule", "averaging", "accumulate_steps", "clip_grad_value", "clip_grad_norm_each",
           "clip_grad_norm")

# What a word of a match stands for.
_ROLES = {
    "weight": ("weight",), "kernel": ("weight",), "bias": ("bias",),
    "norm": ("norm_weight", "norm_bias"), "norm_weight": ("norm_weight",),
    "gamma": ("norm_weight",), "norm_bias": ("norm_bias",), "beta": ("norm_bias",),
}

Options = Dict[str, Any]


class _Place:
    """A parameter's place in a session: the layer's number, the tensor's name and its role."""

    def __init__(self, index: int, name: str, layer: Mapping[str, Any]) -> None:
        self.index = index
        self.name = f"{index}.{name}"
        norm = model_file.kind_of(layer).endswith("_norm")
        self.role = f"norm_{name}" if norm else name

    def fits(self, match: Any) -> bool:
        """Whether a match of `groups` or `no_decay` means it."""
        if isinstance(match, list):
            return any(self.fits(one) for one in match)
        if isinstance(match, str):
            return match == self.name or self.role in _ROLES.get(match, ())
        return match == self.index

    def group(self, options: Mapping[str, Any]) -> int:
        """The number of its group, 0 when it is in none."""
        groups = options["groups"]
        return next((i for i, group in enumerate(groups, 1) if self.fits(group["match"])), 0)


def _plain_value(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    return [_plain_value(v) for v in value] if isinstance(value, (tuple, list)) else value


def _kind_of(optimizer: torch.optim.Optimizer) -> Tuple[str, Tuple[str, ...]]:
    if type(optimizer) not in _OPTIONS:
        known = ", ".join(kind.__name__ for kind in _OPTIONS)
        raise ValueError(f"{type(optimizer).__name__} is not carried over; known are {known}")
    return _OPTIONS[type(optimizer)]


def _members(optimizer: torch.optim.Optimizer, module: nn.Module) -> List[List[str]]:
    """The names of the trainable parameters of each group."""
    names = {
        id(parameter): f"{index}.{name}"
        for index, (_, leaf) in enumerate(leaves(module))
        for name, parameter in leaf.named_parameters() if parameter.requires_grad
    }
    members: List[List[str]] = []
    for group in optimizer.param_groups:
        learning = [p for p in group["params"] if p.requires_grad]
        if any(id(p) not in names for p in learning):
            raise ValueError("optimizer: it has parameters that are not the module's")
        members.append([names[id(p)] for p in learning])
    held = {name for group in members for name in group}
    for name in names.values():
        if name not in held:
            raise ValueError(
                f"optimizer: it does not have the parameter {name}, which would learn in a "
                "session: call its requires_grad_(False), or give it to the optimizer")
    return members


def optimizer_options(
    optimizer: torch.optim.Optimizer, module: Optional[nn.Module] = None
) -> Options:
    """The option `optimizer` of session.create for an optimizer of PyTorch.

    With the module, parameter groups become `groups`, which name the module's parameters.
    """
    kind, own = _kind_of(optimizer)
    groups = [
        {name: _plain_value(group[name]) for name in (*_EVERY_OPTION, *own) if name in group}
        for group in optimizer.param_groups
    ]
    distinct = [group for i, group in enumerate(groups) if group not in groups[:i]]
    if module is None:
        if len(distinct) > 1:
            raise ValueError("parameter groups with different options: give the module, too")
        return {"type": kind, **distinct[0]}
    members = _members(optimizer, module)
    filled = [group for group in distinct
              if any(names for own, names in zip(groups, members) if own == group)] or distinct[:1]
    return {"type": kind, **filled[0], "groups": [
        {"match": [n for own, names in zip(groups, members) if own == group for n in names],
         **group}
        for group in filled[1:]
    ]}


# ---- State ----


def _places(
    session: Session, module: nn.Module
) -> Iterator[Tuple[_Place, nn.Parameter]]:
    """Each trainable parameter of the module with its place in the session."""
    parts = model_file.parts_of(session, "pytorch")
    for index, leaf in paired(parts, module):
        for name, parameter in leaf.named_parameters():
            if parameter.requires_grad:
                yield _Place(index, name, parts[index].layer), parameter


def _one(values: Mapping[Any, Any], what: str) -> Any:
    """The value that all share."""
    distinct = list(dict.fromkeys(values.values()))
    if len(distinct) > 1:
        raise ValueError(
            f"optimizer: its parameters have different {what} ({', '.join(map(str, distinct))}), "
            "where a session has one for all")
    return distinct[0] if distinct else None


def _own_options(session: Session) -> Options:
    description = session.describe("pytorch")
    kinds = [kind for kind, _ in _OPTIONS.values()]
    kind = description["optimizer"]["type"]
    if kind not in kinds or description["convention"] != "pytorch":
        raise ValueError(
            f"the session's optimizer is {kind} in the form of {description['convention']}; "
            "PyTorch's form of one of these is needed: " + ", ".join(kinds))
    return dict(description["optimizer"])


def load_optimizer(
    session: Session, optimizer: torch.optim.Optimizer, module: nn.Module
) -> None:
    """Sets the session's slots and steps to those of an optimizer of the module's parameters."""
    options = _own_options(session)
    kind, _ = _kind_of(optimizer)
    if kind != options["type"]:
        raise ValueError(f"optimizer: expected {options['type']}, got {kind}")
    slots: Dict[str, model_file.Tensors] = {}
    steps: Dict[str, int] = {}
    products: Dict[int, Dict[str, float]] = {}
    for place, parameter in _places(session, module):
        state = optimizer.state.get(parameter, {})
        arrays = {name: to_numpy(state[name]) for name in _SLOTS[kind]
                  if state.get(name) is not None}
        if arrays:
            slots[place.name] = arrays
        if kind != "sgd":
            steps[place.name] = int(state.get("step", 0))
        elif _group_of(optimizer, parameter)["momentum"] != 0:
            # SGD counts no steps; but the first, which makes the buffer, is over.
            steps[place.name] = int(bool(arrays))
        if "mu_product" in state:
            products.setdefault(place.group(options), {})[place.name] = float(state["mu_product"])
    scalars = {
        "mu_product" + (f".{group}" if group else ""): np.array(_one(values, "products of momenta"))
        for group, values in products.items()
    }
    count = _one(steps, "numbers of steps") or 0
    if slots or count:
        model_file.set_state(session, model_file.State(slots, scalars, count))


def _group_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Dict[str, Any]:
    return next((group for group in optimizer.param_groups
                 if any(p is parameter for p in group["params"])), optimizer.defaults)


def _check_beside(options: Mapping[str, Any], without: Sequence[str]) -> None:
    unknown = [name for name in without if name not in _BESIDE]
    if unknown:
        raise ValueError(f"without: expected some of {', '.join(_BESIDE)}, got {unknown[0]!r}")
    found = [name for name in _BESIDE
             if options[name] is not None and (name, options[name]) != ("accumulate_steps", 1)]
    silent = [name for name in found if name not in without]
    if silent:
        raise ValueError(
            f"optimizer: an optimizer of PyTorch has no {', '.join(silent)} itself: put what does "
            f"it beside the optimizer, and say to_optimizer(..., without={silent})")


def _settings(place: _Place, options: Mapping[str, Any], names: Sequence[str]) -> Options:
    """The options that hold for a parameter."""
    number = place.group(options)
    source = options["groups"][number - 1] if number else options
    rates = {"norm_weight": "weight_lr", "norm_bias": "bias_lr"}
    result = {
        name: tuple(source[name]) if isinstance(source[name], list) else source[name]
        for name in names
    }
    result["lr"] = source[rates.get(place.role, "lr")]
    if place.fits(options["no_decay"]):
        result["weight_decay"] = 0.0
    return result


def _state(
    kind: str, place: _Place, settings: Options, options: Options, state: model_file.State
) -> Dict[str, torch.Tensor]:
    """What PyTorch's optimizer remembers of a parameter."""
    own = state.slots.get(place.name, {})
    result = {
        slot: torch.from_numpy(own[slot].copy())
        for slot, option in _SLOTS[kind].items()
        if slot in own and (option is None or settings[option])
    }
    if kind != "sgd":
        result["step"] = torch.tensor(float(state.steps), dtype=torch.float32)
    if kind == "nadam":
        number = place.group(options)
        product = state.scalars["mu_product" + (f".{number}" if number else "")]
        result["mu_product"] = torch.tensor(float(product), dtype=torch.get_default_dtype())
    return result


def to_optimizer(
    session: Session, module: nn.Module, *, without: Sequence[str] = ()
) -> torch.optim.Optimizer:
    """An optimizer of the module's parameters with the session's options, slots and steps.

    Rates and decay of their own become parameter groups. What PyTorch does beside its optimizers
    (schedule, averaging, accumulate_steps, clip_...) is refused unless `without` names it; then
    the rates are those that the schedule starts from, and gradients that wait are left behind.
    """
    options = _own_options(session)
    _check_beside(options, without)
    make, kind, own = next((make, kind, own) for make, (kind, own) in _OPTIONS.items()
                           if kind == options["type"])
    state = model_file.state_of(session)
    groups: List[Dict[str, Any]] = []
    states = {}
    for place, parameter in _places(session, module):
        settings = _settings(place, options, (*_EVERY_OPTION, *own))
        same = [g for g in groups if all(g[key] == value for key, value in settings.items())]
        if not same:
            same = [{"params": [], **settings}]
            groups += same
        same[0]["params"].append(parameter)
        if state.steps > 0 or kind == "adagrad":
            states[parameter] = _state(kind, place, settings, options, state)
    if not groups:
        raise ValueError("optimizer: the module has no parameters that learn")
    defaults = {key: value for key, value in groups[0].items() if key != "params"}
    optimizer = make(groups, **defaults)  # type: ignore[call-arg]
    for parameter, values in states.items():
        if values:
            optimizer.state[parameter] = values
    return optimizer
