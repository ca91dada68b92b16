# SPDX-License-Identifier: Apache-2.0
"""Keras' models to sessions and back, with the same bits of every weight.

    session = normd.keras.from_layer(client, "net", model, optimizer=keras.optimizers.Adam())
    model = normd.keras.to_model(session)
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from normd import model_file
from normd.client import Client, Named
from normd.model_file import Part
from normd.session import Session

try:
    import keras
    from keras import layers as kl
except ImportError as error:  # pragma: no cover - an environment without Keras
    raise ImportError("normd.keras needs Keras 3: pip install keras, and a backend") from error

# Where a layer of Keras remembers what it has no weight for: batches that its statistics saw.
_BATCHES = "normd_num_batches_tracked"

_ACTIVATIONS = {
    "relu": "relu", "relu6": "relu6", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu",
    "gelu": "gelu", "silu": "silu", "swish": "silu", "hard_silu": "hardswish",
    "hard_swish": "hardswish", "tanh": "tanh", "sigmoid": "sigmoid", "softplus": "softplus",
}


def _refused(layer: Any, why: str = "") -> ValueError:
    name = type(layer).__name__
    if why:
        return ValueError(f"{name}: a session has no counterpart for {why}")
    known = ", ".join(sorted(kind.__name__ for kind in _READERS))
    return ValueError(f"{name} has no counterpart in a session; known are {known}")


def _check_plain(layer: Any) -> None:
    """Regularizers and constraints act in training; they are options of create."""
    config = layer.get_config()
    given = [key for key, value in config.items()
             if key.endswith(("_regularizer", "_constraint")) and value is not None]
    if given:
        raise _refused(layer, ", ".join(given) + " (give the layers to create by hand)")


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
    kl.GroupNormalization: _group_norm,
    kl.MaxPooling2D: _pool("max_pool2d"),
    kl.AveragePooling2D: _pool("avg_pool2d"),
    kl.GlobalAveragePooling2D: _global_pool,
    kl.Flatten: _flatten,
    kl.ReLU: _relu,
    kl.LeakyReLU: lambda m: [{"type": "leaky_relu", "negative_slope": float(m.negative_slope)}],
    kl.ELU: lambda m: [{"type": "elu", "alpha": float(m.alpha)}],
    kl.Activation: _activation,
    kl.Dropout: lambda m: [{"type": "dropout", "rate": m.rate}],
}
# Keras' names of weights by PyTorch's, in the order of get_weights.
_WEIGHTS = {
    "linear": ("weight", "bias"),
    "conv2d": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "running_mean", "running_var"),
    "layer_norm": ("weight", "bias"),
    "rms_norm": ("weight",),
    "group_norm": ("weight", "bias"),
    "instance_norm": ("weight", "bias"),
}


def _turned(values: np.ndarray) -> np.ndarray:
    """A kernel (..., in, out) as (out, in, ...)."""
    rank = values.ndim
    return np.ascontiguousarray(values.transpose(rank - 1, rank - 2, *range(rank - 2)))


def _turned_back(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(*range(2, values.ndim), 1, 0))


def _present(layer: Mapping[str, Any]) -> List[str]:
    """The weights that the layer has, by PyTorch's names."""
    names = _WEIGHTS.get(model_file.kind_of(layer), ())
    without = set()
    if layer.get("use_bias") is False or layer.get("center") is False:
        without.add("bias")
    if layer.get("scale") is False:
        without.add("weight")
    return [name for name in names if name not in without]


def _tensors(layer: Any, description: Mapping[str, Any]) -> model_file.Tensors:
    names = _present(description)
    values = [np.asarray(keras.ops.convert_to_numpy(w)) for w in layer.weights]
    if description.get("renorm"):
        raise _refused(layer, "the statistics of renorm (create it by hand)")
    tensors = dict(zip(names, values))
    if description["type"] in ("linear", "conv2d"):
        tensors["weight"] = _turned(tensors["weight"])
    if "running_mean" in tensors:
        tensors["num_batches_tracked"] = np.array(getattr(layer, _BATCHES, 0), "i8")
    return tensors


def _chain(model: Any) -> Iterator[Any]:
    """The layers of a layer, a Sequential or a functional chain, in order."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _chain(layer)
    elif isinstance(model, keras.Model):
        if not hasattr(model, "outputs") or len(model.inputs) != 1 or len(model.outputs) != 1:
            raise _refused(model, "more than one input or output, or a subclassed model")
        backwards = []
        operation = model.outputs[0]._keras_history.operation
        while not operation._inbound_nodes[0].is_input:
            parents = operation._inbound_nodes[0].parent_nodes
            if len(parents) != 1 or len(operation._inbound_nodes) != 1:
                raise _refused(operation, f"layer {operation.name!r}, which is no link of a chain")
            backwards.append(operation)
            operation = parents[0].operation
        for layer in reversed(backwards):
            yield from _chain(layer)
    elif type(model) is not kl.InputLayer:
        yield model


def parts_of_layer(model: Any) -> List[Part]:
    """The layers of a built layer or model with their tensors."""
    parts = []
    for layer in _chain(model):
        if type(layer) not in _READERS:
            raise _refused(layer)
        if not layer.built:
            raise ValueError(f"{layer.name}: expected a layer that is built; call it, or build()")
        _check_plain(layer)
        own, *rest = _READERS[type(layer)](layer) or [None]
        if own is None:
            continue  # the linear activation
        if own["type"] in _WEIGHTS and not layer.trainable:
            own["trainable"] = False
        parts.append(Part(own, _tensors(layer, own)))
        parts.extend(Part(extra, {}) for extra in rest)
    return parts


# ---- Optimizers ----

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
                 "gradient_accumulation_steps")


def optimizer_options(optimizer: Any) -> Dict[str, Any]:
    """The option `optimizer` of session.create for an optimizer of Keras."""
    name = type(optimizer).__name__
    if name not in _OPTIONS:
        raise ValueError(f"{name} is not carried over; known are {', '.join(_OPTIONS)}")
    config = optimizer.get_config()
    if not isinstance(config["learning_rate"], (int, float)):
        raise ValueError(f"{name} with a schedule is not carried over: give it to the session")
    if config.get("use_ema"):
        raise ValueError(f"{name} with use_ema is not carried over: give it to the session")
    options = {key: config[key] for key in (*_OPTIONS[name], *_EVERY_OPTION) if key in config}
    given = {key: value for key, value in options.items() if value is not None}
    return {"type": name.lower(), "learning_rate": float(config["learning_rate"]), **given}


def optimizer_variables(session: Session) -> List[np.ndarray]:
    """The optimizer's variables in the order of Keras' optimizer.variables."""
    with np.load(io.BytesIO(session.export("npz", optimizer=True).data)) as file:
        names = [name for name in file.files if name.startswith("optimizer_")]
        return [file[name] for name in names]


def load_optimizer(session: Session, optimizer: Any) -> None:
    """Sets the session's slots and steps to those of a built optimizer of Keras."""
    variables = [np.asarray(keras.ops.convert_to_numpy(v)) for v in optimizer.variables]
    arrays = {f"arr_{i}": values for i, values in enumerate(get_weights(session))}
    arrays.update({f"optimizer_{i}": values for i, values in enumerate(variables)})
    _import_arrays(session, arrays)


def to_optimizer(session: Session, model: Any) -> Any:
    """An optimizer of Keras for the model, with the session's options and variables."""
    options = dict(session.describe("keras")["optimizer"])
    kinds = {name.lower(): name for name in _OPTIONS}
    if options["type"] not in kinds or session.describe()["convention"] != "keras":
        raise ValueError(
            f"the session's optimizer is {options['type']} in the form of "
            f"{session.describe()['convention']}; Keras' form is needed"
        )
    name = kinds[options["type"]]
    keys = ("learning_rate", *_OPTIONS[name], *_EVERY_OPTION)
    optimizer = getattr(keras.optimizers, name)(**{k: options[k] for k in keys if k in options})
    optimizer.build(model.trainable_variables)
    for variable, values in zip(optimizer.variables, optimizer_variables(session)):
        variable.assign(values)
    return optimizer


# ---- Models ----


def from_layer(
    client: Client,
    name: str,
    layer: Any,
    *,
    input: Any = None,
    loss: Optional[Named] = None,
    optimizer: Union[Any, Named, None] = None,
    seed: Optional[int] = None,
    if_exists: Optional[str] = None,
) -> Session:
    """Makes a session of a built layer, a Sequential, or a functional model that is a chain.

    `input` is the shape of x without the batch axis, of the model itself when it is left out.
    """
    parts = parts_of_layer(layer)
    if not parts:
        raise ValueError("a model without layers makes no session")
    if input is None and isinstance(layer, keras.Model):
        input = list(layer.input_shape[1:])
    dtypes = {values.dtype for part in parts for values in part.tensors.values()}
    is_keras = isinstance(optimizer, keras.optimizers.Optimizer)
    session = client.create(
        name,
        [part.layer for part in parts],
        input=input,
        loss=loss,
        optimizer=optimizer_options(optimizer) if is_keras else optimizer,
        convention="keras",
        dtype="float64" if np.dtype("f8") in dtypes else "float32",
        seed=seed,
        if_exists=if_exists,
    )
    if any(part.tensors for part in parts):
        session.import_(model_file.write(model_file.tensors_of(parts)), "safetensors")
    if is_keras and optimizer.built:
        load_optimizer(session, optimizer)
    return session


def _check_norm(layer: Mapping[str, Any]) -> None:
    if layer["momentum"] is None:
        raise ValueError("batch_norm with momentum null has no layer in Keras")
    if not layer["track_running_stats"]:
        raise ValueError("batch_norm without running statistics has no layer in Keras")
    if layer["running_variance"] == "unbiased":
        warnings.warn(
            "Keras stores the biased running variance: training there moves it another way",
            stacklevel=4,
        )


def _window(layer: Mapping[str, Any], size: str) -> Dict[str, Any]:
    if not isinstance(layer["padding"], str):
        raise ValueError(f"{layer['type']} with padding {layer['padding']} has no layer in Keras")
    return {size: tuple(layer[size]), "strides": tuple(layer["strides"]),
            "padding": layer["padding"], "data_format": layer["data_format"]}


def _make_norm(layer: Mapping[str, Any]) -> Any:
    kind = layer["type"]
    if kind == "rms_norm":
        return kl.RMSNormalization(axis=layer["axis"], epsilon=layer["epsilon"])
    both = {"epsilon": layer["epsilon"], "center": layer["center"], "scale": layer["scale"]}
    if kind == "layer_norm":
        return kl.LayerNormalization(axis=layer["axis"], **both)
    if kind == "group_norm":
        return kl.GroupNormalization(layer["groups"], axis=layer["axis"], **both)
    if kind.startswith("instance_norm") and not layer["track_running_stats"]:
        return kl.GroupNormalization(-1, axis=layer["axis"], **both)
    if kind.startswith("batch_norm"):
        _check_norm(layer)
        renorm = {}
        if layer.get("renorm"):
            renorm = {key: layer[key] for key in layer if key.startswith("renorm")}
        return kl.BatchNormalization(
            axis=layer["axis"], momentum=layer["momentum"], **both, **renorm)
    raise ValueError(f"layer {kind} has no layer in Keras")


def _make(layer: Mapping[str, Any]) -> Any:
    kind = layer["type"]
    if kind == "linear":
        return kl.Dense(layer["units"], use_bias=layer["use_bias"])
    if kind == "conv2d":
        return kl.Conv2D(layer["filters"], dilation_rate=tuple(layer["dilation_rate"]),
                         groups=layer["groups"], use_bias=layer["use_bias"],
                         **_window(layer, "kernel_size"))
    if kind == "max_pool2d":
        return kl.MaxPooling2D(**_window(layer, "pool_size"))
    if kind == "avg_pool2d":
        return kl.AveragePooling2D(**_window(layer, "pool_size"))
    if kind == "global_avg_pool2d":
        return kl.GlobalAveragePooling2D(
            data_format=layer["data_format"], keepdims=layer["keepdims"])
    if kind == "flatten":
        # The channels stay where they are, as in a session.
        return kl.Flatten(data_format="channels_last")
    if kind == "dropout":
        return kl.Dropout(layer["rate"])
    if kind == "leaky_relu":
        return kl.LeakyReLU(negative_slope=layer["negative_slope"])
    if kind == "elu":
        return kl.ELU(alpha=layer["alpha"])
    if kind == "softplus" and layer["beta"] != 1.0:
        raise ValueError("softplus with a beta has no layer in Keras")
    if kind == "gelu" and layer["approximate"]:
        raise ValueError("gelu with approximate has no layer of its own in Keras")
    if kind in ("relu", "relu6", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus"):
        return kl.Activation(kind)
    if kind == "hardswish":
        return kl.Activation("hard_silu")
    return _make_norm(layer)


def to_model(session: Session) -> Any:
    """The session as a built Sequential with the same bits of every weight."""
    parts = model_file.parts_of(session, "keras")
    description = session.describe("keras")
    made = [_make(part.layer) for part in parts]
    shape = description["input"]
    if shape is None:
        first = parts[0].layer
        extent = first.get("in", first.get("features", first.get("num_channels")))
        if extent is None or first["type"] == "conv2d":
            raise ValueError("to_model: expected a session with an input shape")
        shape = [extent]
    model = keras.Sequential(
        [keras.Input(tuple(shape), dtype=description["dtype"]), *made])
    for part, layer in zip(parts, made):
        names = [name for name in _present(part.layer) if name in part.tensors]
        values = [part.tensors[name] for name in names]
        if part.layer["type"] in ("linear", "conv2d"):
            values[0] = _turned_back(values[0])
        layer.set_weights(values)
        if part.layer.get("trainable") is False:
            layer.trainable = False
        if "num_batches_tracked" in part.tensors:
            setattr(layer, _BATCHES, int(part.tensors["num_batches_tracked"]))
    return model


def to_layer(session: Session) -> Any:
    """The one layer of a session of one layer, built."""
    model = to_model(session)
    if len(model.layers) != 1:
        raise ValueError(f"to_layer: expected a session of one layer, got {len(model.layers)}")
    return model.layers[0]


def get_weights(session: Session) -> List[np.ndarray]:
    """What Model.get_weights() gives for the same layers."""
    with np.load(io.BytesIO(session.export("npz").data)) as file:
        return [file[name] for name in file.files]


def set_weights(session: Session, weights: Sequence[Any]) -> None:
    """Sets the weights, in the order of get_weights."""
    _import_arrays(session, {f"arr_{i}": np.asarray(values) for i, values in enumerate(weights)})


def _import_arrays(session: Session, arrays: Mapping[str, np.ndarray]) -> None:
    file = io.BytesIO()
    np.savez(file, **arrays)
    session.import_(file.getvalue(), "npz")
