# SPDX-License-Identifier: Apache-2.0
"""Keras' models to sessions and back, with the same bits of every weight.

    session = normd.keras.from_layer(client, "net", model, optimizer=keras.optimizers.Adam())
    model = normd.keras.to_model(session)
"""

from __future__ import annotations

import io
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np

from normd import model_file
from normd.client import Client, Named
from normd.model_file import Part
from normd.session import Session

try:
    import keras
except ImportError as error:  # pragma: no cover - an environment without Keras
    raise ImportError("normd.keras needs Keras 3: pip install keras, and a backend") from error

from normd import keras_make, keras_optimizer, keras_read  # noqa: E402
from normd.keras_optimizer import optimizer_options  # noqa: E402
from normd.keras_read import parts_of_layer  # noqa: E402

__all__ = [
    "from_layer", "get_weights", "load_optimizer", "optimizer_options", "optimizer_variables",
    "parts_of_layer", "set_weights", "to_layer", "to_model", "to_optimizer",
]


def optimizer_variables(session: Session) -> List[np.ndarray]:
    """The optimizer's variables in the order of Keras' optimizer.variables."""
    with np.load(io.BytesIO(session.export("npz", optimizer=True).data)) as file:
        names = [name for name in file.files if name.startswith("optimizer_")]
        if session.describe("keras")["optimizer"]["schedule"] is not None:
            del names[1]  # the rate, which a schedule has in no variable
        return [file[name] for name in names]


def load_optimizer(session: Session, optimizer: Any) -> None:
    """Sets the session's slots and steps to those of a built optimizer of Keras."""
    variables = keras_optimizer.variables_for_session(optimizer)
    arrays = {f"arr_{i}": values for i, values in enumerate(get_weights(session))}
    arrays.update({f"optimizer_{i}": values for i, values in enumerate(variables)})
    _import_arrays(session, arrays)


def to_optimizer(session: Session, model: Any) -> Any:
    """An optimizer of Keras for the model, with the session's options and variables.

    What Keras' optimizers do not have (groups, rates of their own for norms) is refused.
    """
    optimizer = keras_optimizer.make_optimizer(session, model)
    values = optimizer_variables(session)
    if len(values) != len(optimizer.variables):
        raise ValueError("to_optimizer: expected the model of the session")
    for variable, value in zip(optimizer.variables, values):
        variable.assign(value)
    return optimizer


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
        optimizer=optimizer_options(optimizer, layer) if is_keras else optimizer,
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


def to_model(session: Session) -> Any:
    """The session as a built Sequential with the same bits of every weight."""
    parts = model_file.parts_of(session, "keras")
    description = session.describe("keras")
    dtype, shape = description["dtype"], description["input"]
    if shape is None:
        first = parts[0].layer
        extent = first.get("in", first.get("features", first.get("num_channels")))
        if extent is None or first["type"] == "conv2d":
            raise ValueError("to_model: expected a session with an input shape")
        shape = [extent]
    extents: Any = (None, *shape)
    layers: List[Any] = []
    owners = []
    for index, part in enumerate(parts):
        before = [other.layer for other in parts[:index]]
        made = keras_make.layers_of(part.layer, dtype, extents, before)
        for layer in made:
            extents = layer.compute_output_shape(extents)
        layers += made
        owners.append(made[-1])
    model = keras.Sequential([keras.Input(tuple(shape), dtype=dtype), *layers])
    for part, layer in zip(parts, owners):
        _fill(part, layer)
    return model


def _fill(part: Part, layer: Any) -> None:
    """Gives a layer the tensors of its part."""
    values = [part.tensors[name] for name in keras_read.present(part.layer)]
    if part.layer["type"] in ("linear", "conv2d"):
        values[0] = keras_make.turned_back(values[0])
    layer.set_weights(values)
    if part.layer.get("trainable") is False:
        layer.trainable = False
    if "num_batches_tracked" in part.tensors:
        setattr(layer, keras_read.BATCHES, int(part.tensors["num_batches_tracked"]))


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
