# SPDX-License-Identifier: Apache-2.0
"""Optimizers of Keras as options of a session, and back."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

import keras
import numpy as np

from normd.keras_read import links_of, variables_of
from normd.session import Session

_OPTIONS: Dict[str, Tuple[str, ...]] = {
    "SGD": ("momentum", "nesterov"),
    "Adam": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "AdamW": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "Nadam": ("beta_1", "beta_2", "epsilon"),
    "RMSprop": ("rho", "momentum", "epsilon", "centered"),
    "Adagrad": ("initial_accumulator_value", "epsilon"),
    "Lion": ("beta_1", "beta_2"),
}
_EVERY_OPTION = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue",
                 "gradient_accumulation_steps", "use_ema", "ema_momentum",
                 "ema_overwrite_frequency")
_SCHEDULES = {
    "exponential_decay": "ExponentialDecay",
    "piecewise_constant_decay": "PiecewiseConstantDecay",
    "polynomial_decay": "PolynomialDecay",
    "inverse_time_decay": "InverseTimeDecay",
    "cosine_decay": "CosineDecay",
    "cosine_decay_restarts": "CosineDecayRestarts",
}


def _schedule_options(schedule: Mapping[str, Any]) -> Dict[str, Any]:
    """The option `learning_rate` for a schedule as Keras serializes it."""
    kinds = {name: kind for kind, name in _SCHEDULES.items()}
    name = schedule["class_name"]
    if name not in kinds:
        raise ValueError(f"{name} is not carried over; known are {', '.join(kinds)}")
    given = {key: value for key, value in schedule["config"].items()
             if key != "name" and value is not None}
    return {"type": kinds[name], **given}


def optimizer_options(optimizer: Any, model: Any = None) -> Dict[str, Any]:
    """The option `optimizer` of session.create for an optimizer of Keras.

    The model tells which weights exclude_from_weight_decay is about.
    """
    name = type(optimizer).__name__
    if name not in _OPTIONS:
        raise ValueError(f"{name} is not carried over; known are {', '.join(_OPTIONS)}")
    config = optimizer.get_config()
    if config.get("loss_scale_factor") is not None:
        raise ValueError(f"{name}: a session has no counterpart for loss_scale_factor")
    options = {key: config[key] for key in (*_OPTIONS[name], *_EVERY_OPTION) if key in config}
    given = {key: value for key, value in options.items() if value is not None}
    if not given["use_ema"]:
        given = {key: value for key, value in given.items() if "ema_" not in key}
    rate = config["learning_rate"]
    rate = float(rate) if isinstance(rate, (int, float)) else _schedule_options(rate)
    undecayed = _undecayed(optimizer, model)
    if undecayed:
        given["no_decay"] = undecayed
    return {"type": name.lower(), "learning_rate": rate, **given}


def _undecayed(optimizer: Any, model: Any) -> List[str]:
    """What exclude_from_weight_decay named, by the session's names."""
    excluded = getattr(optimizer, "_exclude_from_weight_decay", None)
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if optimizer.weight_decay is None or not (excluded or pattern):
        return []
    if model is None:
        raise ValueError("exclude_from_weight_decay: expected the model that the weights are of")
    return [name for name, variable in variables_of(model).items()
            if variable.trainable and not optimizer._use_weight_decay(variable)]


def has_schedule(optimizer: Any) -> bool:
    """Whether the learning rate is a schedule, which is no variable of the optimizer."""
    return not isinstance(optimizer.get_config()["learning_rate"], (int, float))


def variables_for_session(optimizer: Any) -> List[np.ndarray]:
    """The optimizer's variables, with a place for the rate where a schedule stands for it."""
    values = [np.asarray(keras.ops.convert_to_numpy(v)) for v in optimizer.variables]
    if has_schedule(optimizer):
        values.insert(1, np.zeros((), "f4"))
    return values


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuses what an optimizer of Keras does not have."""
    rate = options["learning_rate"]
    absent = [key for key in ("weight_lr", "bias_lr") if options[key] != rate]
    absent += [key for key in ("groups", "averaging") if options.get(key)]
    if options.get("maximize"):
        absent.append("maximize")
    if absent:
        raise ValueError(f"{', '.join(absent)} of the session's optimizer: Keras has no such thing")


def _rate(options: Mapping[str, Any]) -> Any:
    """The learning rate, or Keras' schedule of it."""
    if options["schedule"] is None:
        return options["learning_rate"]
    schedule = dict(options["schedule"])
    kind = schedule.pop("type")
    own = {"every": 1, "start": 0, "warmup": None, "unit": "batch"}
    given = {key: schedule.pop(key, value) for key, value in own.items()}
    if not options.get("gradient_accumulation_steps"):
        given["unit"] = "batch"  # then a batch is a step
    if kind not in _SCHEDULES:
        raise ValueError(f"the session's schedule {kind} is none of Keras'; "
                         f"known are {', '.join(_SCHEDULES)}")
    if given != own:
        names = ", ".join(key for key in own if given[key] != own[key])
        raise ValueError(f"{names} of the session's schedule: Keras has no such thing")
    if kind != "piecewise_constant_decay":
        schedule["initial_learning_rate"] = options["learning_rate"]
    return getattr(keras.optimizers.schedules, _SCHEDULES[kind])(**schedule)


def _matches(match: Any, index: int, layer: Mapping[str, Any], tensor: str) -> bool:
    """Whether a match of `no_decay` names this tensor of layers[index]."""
    if isinstance(match, list):
        return any(_matches(one, index, layer, tensor) for one in match)
    norm = layer["type"] not in ("linear", "conv2d")
    words = {"weight": ("weight", "kernel"), "bias": ("bias",)}[tensor]
    if norm:
        words = {"weight": ("norm_weight", "gamma", "norm"), "bias": ("norm_bias", "beta", "norm")}[
            tensor]
    return match == index or match == f"{index}.{tensor}" or match in words


def make_optimizer(session: Session, model: Any) -> Any:
    """An optimizer of Keras for the model, built, with the session's options."""
    description = session.describe("keras")
    options = description["optimizer"]
    kinds = {name.lower(): name for name in _OPTIONS}
    if options["type"] not in kinds or description["convention"] != "keras":
        raise ValueError(
            f"the session's optimizer is {options['type']} in the form of "
            f"{description['convention']}; Keras' form is needed"
        )
    _check_options(options)
    name = kinds[options["type"]]
    keys = [key for key in (*_OPTIONS[name], *_EVERY_OPTION) if key in options]
    if not options.get("use_ema"):
        keys = [key for key in keys if "ema_" not in key]
    optimizer = getattr(keras.optimizers, name)(_rate(options), **{k: options[k] for k in keys})
    if options["no_decay"]:
        excluded = [
            variable
            for index, link in enumerate(links_of(model))
            for tensor, variable in link.variables.items()
            if variable.trainable and _matches(options["no_decay"], index, link.layer, tensor)
        ]
        optimizer.exclude_from_weight_decay(var_list=excluded)
    optimizer.build(model.trainable_variables)
    return optimizer
