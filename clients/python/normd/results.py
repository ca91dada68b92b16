# SPDX-License-Identifier: Apache-2.0
"""What the methods answer. `version` counts the session's committed changes."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from normd import files


class Hello(NamedTuple):
    """The daemon's introduction; `limits` says what one message may be.

    `seq`: the number of the newest mutation of the client named in the call (0: it is not known);
    None without a name.
    """

    server: str
    version: str
    protocol: int
    limits: Dict[str, int]
    seq: Optional[int] = None


class ServerInfo(NamedTuple):
    """The daemon's state: `uptime` in seconds, `bytes` held by the sessions, the instruction set in
    use and those that the machine can run; `clients` whose mutations are remembered, the
    `client_bytes` that this takes, and the figures of the data directory, None where there is
    none."""

    version: str
    uptime: float
    threads: int
    instruction_set: str
    instruction_sets: List[str]
    blas: str
    connections: int
    sessions: int
    bytes: int
    limits: Dict[str, int]
    clients: Optional[int] = None
    client_bytes: Optional[int] = None
    store: Optional[Dict[str, Any]] = None


class Save(NamedTuple):
    """A copy of the daemon's data directory: where it lies on its machine, and its size."""

    name: str
    path: str
    bytes: int


class Export(NamedTuple):
    """A model as one file, of the state after `version` changes.

    `configuration` is what create takes to make a folded session; None for others.
    """

    format: str
    version: int
    data: bytes
    configuration: Optional[Dict[str, Any]] = None

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the file: whole, on the disk when this returns, or not at all."""
        files.write_whole(path, self.data)


class Import(NamedTuple):
    """Whether the file made a new session, and the session's version after it."""

    created: bool
    version: int


class Convert(NamedTuple):
    """The convention that the session has now, and its version."""

    convention: str
    version: int


class Copy(NamedTuple):
    """Whether the name was free, and the version that the new session begins with."""

    created: bool
    version: int


class OptimizerSet(NamedTuple):
    """The version after the change."""

    version: int


class Forward(NamedTuple):
    """`step` names the kept context in backward."""

    step: int
    version: int
    y: np.ndarray


class Backward(NamedTuple):
    """The gradient by the input of the forward step."""

    version: int
    dx: np.ndarray


class Step(NamedTuple):
    """The version after the optimizer's step."""

    version: int


class Train(NamedTuple):
    """`accuracy` is None where the loss is no classification; `steps` counts optimizer steps;
    `metrics` has the session's by name ("top_5"), or is None; `lr` is the rate of the step."""

    loss: float
    accuracy: Optional[float]
    steps: int
    version: int
    metrics: Optional[Dict[str, float]] = None
    lr: Optional[float] = None


class Evaluate(NamedTuple):
    """As Train, in eval mode, of the state after `version` changes."""

    loss: float
    accuracy: Optional[float]
    steps: int
    version: int
    metrics: Optional[Dict[str, float]] = None


class Infer(NamedTuple):
    """`y` as the state after `version` changes gives it."""

    version: int
    y: np.ndarray


class LayerStats(NamedTuple):
    """One batch norm's state; None for what the layer does not have.

    The names are PyTorch's also where the answer came with Keras' (moving_mean, gamma, ...).
    """

    name: str
    type: str
    num_batches_tracked: int
    running_mean: Optional[np.ndarray]
    running_var: Optional[np.ndarray]
    weight: Optional[np.ndarray]
    bias: Optional[np.ndarray]
    running_std: Optional[np.ndarray] = None  # these three with renorm alone
    renorm_mean: Optional[np.ndarray] = None
    renorm_std: Optional[np.ndarray] = None


class Stats(NamedTuple):
    """Every batch norm of the session, or the one that was asked for."""

    version: int
    layers: Tuple[LayerStats, ...]


_KERAS_NAMES = {
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
    "weight": "gamma",
    "bias": "beta",
    "running_std": "moving_stddev",
    "renorm_mean": "renorm_mean",
    "renorm_std": "renorm_stddev",
}


def parse_stats(result: Dict[str, Any]) -> Stats:
    """The answer of `stats`, whichever framework's names it has."""
    layers = []
    for layer in result["layers"]:
        arrays = {name: layer.get(name, layer.get(_KERAS_NAMES[name])) for name in _KERAS_NAMES}
        layers.append(
            LayerStats(
                name=layer["name"],
                type=layer["type"],
                num_batches_tracked=layer["num_batches_tracked"],
                **arrays,
            )
        )
    return Stats(result["version"], tuple(layers))


class Recalibration(NamedTuple):
    """How many batches were collected, and whether they have become the running statistics."""

    batches: int
    finished: bool
    version: int


class LayerBatchStats(NamedTuple):
    """What one batch norm finds in a batch: `count` values a feature, their mean and biased
    variance."""

    name: str
    type: str
    count: int
    mean: np.ndarray
    var: np.ndarray


class BatchStats(NamedTuple):
    """Every batch norm of the session, or the one that was asked for."""

    version: int
    layers: Tuple[LayerBatchStats, ...]


class LayerDrift(NamedTuple):
    """How far a batch is from one batch norm's running statistics: mean_shift in running deviations,
    variance_ratio 1 where the variances are equal."""

    name: str
    type: str
    count: int
    mean_shift: np.ndarray
    variance_ratio: np.ndarray


class Drift(NamedTuple):
    """Every batch norm of the session, or the one that was asked for."""

    version: int
    layers: Tuple[LayerDrift, ...]


def parse_batch_stats(result: Dict[str, Any]) -> BatchStats:
    """The answer of `stats.batch`."""
    layers = (LayerBatchStats(*map(layer.get, LayerBatchStats._fields)) for layer in result["layers"])
    return BatchStats(result["version"], tuple(layers))


def parse_drift(result: Dict[str, Any]) -> Drift:
    """The answer of `stats.drift`."""
    layers = (LayerDrift(*map(layer.get, LayerDrift._fields)) for layer in result["layers"])
    return Drift(result["version"], tuple(layers))
