# SPDX-License-Identifier: Apache-2.0
"""The methods of the protocol: what each takes, and what its answer becomes.

A call is a value that nothing has sent yet; Client runs it, Pipeline puts it in line.
"""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    List,
    Mapping,
    NamedTuple,
    Optional,
    TypeVar,
    Union,
)

import numpy as np

from normd import results

# The methods that change a session or the set of sessions.
MUTATIONS = frozenset(
    (
        "session.create", "session.delete", "session.import", "session.convert", "session.copy",
        "optimizer.set", "train", "forward", "backward", "step",
        "stats.reset", "stats.recalibrate", "stats.freeze", "stats.thaw",
    )
)

Result = TypeVar("Result")
Layers = List[Mapping[str, Any]]
Named = Union[str, Mapping[str, Any]]


class _Parts(NamedTuple):
    method: str
    fields: Mapping[str, Any]
    parse: Callable[[Any], Any]


class Call(_Parts, Generic[Result]):
    """A method's name, its fields (None: left out), and the reader of its answer."""


def _fields_of(kind: Callable[..., Result]) -> Callable[[Mapping[str, Any]], Result]:
    """A reader that fills the NamedTuple `kind`; what an answer does not have is None.

    Fields that a later daemon adds are let pass.
    """
    names = kind._fields  # type: ignore[attr-defined]
    return lambda answer: kind(*[answer.get(name) for name in names])


def _array(values: Any) -> np.ndarray:
    return np.asarray(values)


def _mask(mask: Any) -> Any:
    return None if mask is None else np.asarray(mask, dtype=bool)


def ping() -> Call[str]:
    return Call("ping", {}, str)


def hello(client: Optional[str] = None, token: Optional[str] = None) -> Call[results.Hello]:
    return Call("hello", {"client": client, "token": token}, _fields_of(results.Hello))


def info() -> Call[results.ServerInfo]:
    return Call("server.info", {}, _fields_of(results.ServerInfo))


def save(name: Optional[str] = None) -> Call[results.Save]:
    return Call("server.save", {"name": name}, _fields_of(results.Save))


def create(session: str, layers: Layers, **options: Any) -> Call[Dict[str, Any]]:
    return Call("session.create", {"session": session, "layers": layers, **options}, dict)


def list_sessions() -> Call[List[str]]:
    return Call("session.list", {}, lambda answer: list(answer["sessions"]))


def describe(session: str, convention: Optional[str] = None) -> Call[Dict[str, Any]]:
    return Call("session.describe", {"session": session, "convention": convention}, dict)


def delete(session: str) -> Call[bool]:
    return Call("session.delete", {"session": session}, lambda answer: bool(answer["deleted"]))


def export(
    session: str,
    format: str = "safetensors",
    optimizer: Optional[bool] = None,
    fold: Optional[bool] = None,
) -> Call[results.Export]:
    def parse(answer: Mapping[str, Any]) -> results.Export:
        return results.Export(
            answer["format"],
            answer["version"],
            bytes(answer["data"]),
            answer.get("configuration"),
        )

    fields = {"session": session, "format": format, "optimizer": optimizer, "fold": fold}
    return Call("session.export", fields, parse)


def import_(session: str, data: bytes, format: Optional[str] = None) -> Call[results.Import]:
    fields = {"session": session, "format": format, "data": data}
    return Call("session.import", fields, _fields_of(results.Import))


def convert(
    session: str, convention: str, optimizer: Any = None
) -> Call[results.Convert]:
    fields = {"session": session, "convention": convention, "optimizer": optimizer}
    return Call("session.convert", fields, _fields_of(results.Convert))


def copy(
    session: str, to: str, weights: Optional[str] = None, if_exists: Optional[str] = None
) -> Call[results.Copy]:
    fields = {"session": session, "to": to, "weights": weights, "if_exists": if_exists}
    return Call("session.copy", fields, _fields_of(results.Copy))


def optimizer_set(
    session: str,
    lr: Optional[float] = None,
    weight_lr: Optional[float] = None,
    bias_lr: Optional[float] = None,
    schedule: Optional[Named] = None,
    averaging: Optional[Named] = None,
    metric: Optional[float] = None,
) -> Call[results.OptimizerSet]:
    fields = {
        "session": session,
        "lr": lr,
        "weight_lr": weight_lr,
        "bias_lr": bias_lr,
        "schedule": schedule,
        "averaging": averaging,
        "metric": metric,
    }
    return Call("optimizer.set", fields, _fields_of(results.OptimizerSet))


def forward(
    session: str, x: Any, mask: Any = None, update_stats: Optional[bool] = None
) -> Call[results.Forward]:
    fields = {
        "session": session,
        "x": _array(x),
        "mask": _mask(mask),
        "update_stats": update_stats,
    }
    return Call("forward", fields, _fields_of(results.Forward))


def backward(
    session: str, step: int, dy: Any, apply: Optional[bool] = None
) -> Call[results.Backward]:
    fields = {"session": session, "step": step, "dy": _array(dy), "apply": apply}
    return Call("backward", fields, _fields_of(results.Backward))


def step(session: str) -> Call[results.Step]:
    return Call("step", {"session": session}, _fields_of(results.Step))


def _batch(
    session: str, x: Any, target: Any, sample_weight: Any, mask: Any
) -> Dict[str, Any]:
    return {
        "session": session,
        "x": _array(x),
        "target": _array(target),
        "sample_weight": None if sample_weight is None else _array(sample_weight),
        "mask": None if mask is None else _array(mask),
    }


def train(
    session: str, x: Any, target: Any, sample_weight: Any = None, mask: Any = None
) -> Call[results.Train]:
    fields = _batch(session, x, target, sample_weight, mask)
    return Call("train", fields, _fields_of(results.Train))


def evaluate(
    session: str, x: Any, target: Any, sample_weight: Any = None, mask: Any = None
) -> Call[results.Evaluate]:
    fields = _batch(session, x, target, sample_weight, mask)
    return Call("evaluate", fields, _fields_of(results.Evaluate))


def infer(session: str, x: Any) -> Call[results.Infer]:
    return Call("infer", {"session": session, "x": _array(x)}, _fields_of(results.Infer))


def stats(
    session: str, layer: Optional[str] = None, convention: Optional[str] = None
) -> Call[results.Stats]:
    fields = {"session": session, "layer": layer, "convention": convention}
    return Call("stats", fields, results.parse_stats)


def stats_reset(session: str, layer: Optional[str] = None) -> Call[results.Step]:
    return Call("stats.reset", {"session": session, "layer": layer}, _fields_of(results.Step))


def stats_recalibrate(
    session: str,
    x: Any = None,
    mask: Any = None,
    mode: Optional[str] = None,
    finish: Optional[bool] = None,
    restart: Optional[bool] = None,
) -> Call[results.Recalibration]:
    fields = {
        "session": session,
        "x": None if x is None else _array(x),
        "mask": _mask(mask),
        "mode": mode,
        "finish": finish,
        "restart": restart,
    }
    return Call("stats.recalibrate", fields, _fields_of(results.Recalibration))


def stats_freeze(
    session: str, layer: Optional[str] = None, parameters: Optional[bool] = None
) -> Call[results.Step]:
    fields = {"session": session, "layer": layer, "parameters": parameters}
    return Call("stats.freeze", fields, _fields_of(results.Step))


def stats_thaw(
    session: str, layer: Optional[str] = None, parameters: Optional[bool] = None
) -> Call[results.Step]:
    fields = {"session": session, "layer": layer, "parameters": parameters}
    return Call("stats.thaw", fields, _fields_of(results.Step))


def stats_batch(
    session: str, x: Any, mask: Any = None, layer: Optional[str] = None
) -> Call[results.BatchStats]:
    fields = {"session": session, "x": _array(x), "mask": _mask(mask), "layer": layer}
    return Call("stats.batch", fields, results.parse_batch_stats)


def stats_drift(session: str, x: Any, layer: Optional[str] = None) -> Call[results.Drift]:
    fields = {"session": session, "x": _array(x), "layer": layer}
    return Call("stats.drift", fields, results.parse_drift)
