# SPDX-License-Identifier: Apache-2.0
"""Lives of sessions that a data directory must carry across a crash, and how to compare them."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

import numpy as np
from harness.rpc import Rpc, RpcError
from models import batch, classifier, norm_only

# A method, behind a "!" when it is to be refused, and its fields; a field may be a function of the
# answers so far.
Step = Tuple[str, Dict[str, Any]]


def numbers(seed: int, *shape: int, dtype: str = "f4") -> np.ndarray:
    """Values, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def back(count: int) -> Callable[[List[Any]], Any]:
    """The step number that the answer so many steps ago gave."""
    return lambda answers: answers[-count]["step"]


def data(count: int) -> Callable[[List[Any]], Any]:
    """The file that the answer so many steps ago gave."""
    return lambda answers: answers[-count]["data"]


def train(name: str, seed: int, rows: int = 16, **fields: Any) -> Step:
    """A batch for the classifier."""
    x, target = batch(seed, rows)
    return "train", {"session": name, "x": x, "target": target, **fields}


def trains(name: str, count: int, **fields: Any) -> List[Step]:
    """So many different ones."""
    return [train(name, seed, **fields) for seed in range(count)]


def forward(name: str, seed: int, *shape: int, dtype: str = "f4", **fields: Any) -> Step:
    """A forward step."""
    return "forward", {"session": name, "x": numbers(seed, *shape, dtype=dtype), **fields}


def backward(name: str, ago: int, seed: int, *shape: int, dtype: str = "f4", **fields: Any) -> Step:
    """The backward of the forward so many steps ago."""
    dy = numbers(seed, *shape, dtype=dtype)
    return "backward", {"session": name, "step": back(ago), "dy": dy, **fields}


def create(name: str, **configuration: Any) -> Step:
    """session.create."""
    return "session.create", {"session": name, **configuration}


def once(steps: List[Step], client: str) -> List[Step]:
    """The same as mutations of one client, numbered from 1."""
    return [
        (method, {**fields, "client": client, "seq": seq + 1})
        for seq, (method, fields) in enumerate(steps)
    ]


def _client(steps: List[Step], client: str) -> List[Step]:
    """The same with the mutations numbered, but for those that are refused."""
    numbered = []
    seq = 0
    for method, fields in steps:
        if method != "session.export":
            fields = {**fields, "client": client, "seq": seq + 1}
            seq += not method.startswith("!")
        numbered.append((method, fields))
    return numbered


def _wide(**options: Any) -> Dict[str, Any]:
    """A model whose state is much larger than its batches: those are journaled."""
    layers = [
        {"type": "linear", "out": 600},
        {"type": "batch_norm"},
        {"type": "relu"},
        {"type": "dropout", "p": 0.2},
        {"type": "linear", "out": 120},
        {"type": "linear", "out": 3},
    ]
    return classifier(layers=layers, **options)


def _norm_sgd() -> List[Step]:
    sgd = {"type": "sgd", "lr": 0.1, "momentum": 0.9}
    steps = [create("norm", **norm_only(4, optimizer=sgd))]
    for seed in range(3):
        steps += [forward("norm", seed, 8, 4), backward("norm", 1, seed + 10, 8, 4)]
    return once(steps, "norm")


def _wide_adam() -> List[Step]:
    return [create("wide", **_wide()), *trains("wide", 5)]


def _keras() -> List[Step]:
    layers = [
        {"type": "dense", "units": 8},
        {"type": "batch_norm"},
        {"type": "relu"},
        {"type": "dense", "units": 3},
    ]
    return [create("keras", **classifier(convention="keras", layers=layers, optimizer="adam")),
            *trains("keras", 3)]


def _float64() -> List[Step]:
    return [create("double", **classifier(dtype="float64")), *trains("double", 3)]


def _lazy() -> List[Step]:
    layers = [{"type": "linear", "out": 5}, {"type": "batch_norm"}, {"type": "linear", "out": 3}]
    return [create("lazy", layers=layers, loss="cross_entropy"), *trains("lazy", 3)]


def _open() -> List[Step]:
    steps = [
        create("open", layers=[{"type": "batch_norm"}]),
        forward("open", 1, 8, 4),
        backward("open", 1, 2, 8, 4),
    ]
    return once(steps, "open")


def _schedule() -> List[Step]:
    optimizer = {
        "type": "adamw",
        "lr": 0.01,
        "schedule": {"type": "cosine_annealing", "T_max": 5, "warmup": 2},
        "averaging": {"type": "ema", "decay": 0.9},
        "accumulate_steps": 2,
    }
    return [
        create("schedule", **classifier(optimizer=optimizer)),
        *trains("schedule", 5),
        ("session.copy", {"session": "schedule", "to": "schedule-mean", "weights": "average"}),
        train("schedule-mean", 9),
    ]


def _plateau() -> List[Step]:
    schedule = {"type": "reduce_on_plateau", "monitor": "metric", "patience": 0, "mode": "max"}
    metric = [
        ("optimizer.set", {"session": "plateau", "metric": value}) for value in (1.0, 0.5, 0.25)
    ]
    optimizer = {"type": "sgd", "lr": 1.0, "schedule": schedule}
    return [
        create("plateau", **classifier(optimizer=optimizer)),
        train("plateau", 1),
        *metric,
        train("plateau", 2),
    ]


def _accumulated() -> List[Step]:
    steps = [create("sums", **norm_only(4, optimizer={"type": "sgd", "lr": 0.1}))]
    for seed in range(2):
        steps += [
            forward("sums", seed, 8, 4),
            backward("sums", 1, seed + 10, 8, 4, apply=False),
        ]
    return once([*steps, ("step", {"session": "sums"})], "sums")


def _settings() -> List[Step]:
    name = {"session": "settings"}
    return [
        create("settings", **classifier()),
        train("settings", 0),
        ("optimizer.set", {**name, "lr": 0.003}),
        train("settings", 1),
        ("stats.freeze", name),
        train("settings", 2),
        ("stats.thaw", {**name, "parameters": False}),
        train("settings", 3),
        ("stats.reset", name),
        train("settings", 4),
        ("optimizer.set", {**name, "averaging": {"type": "swa"}}),
        train("settings", 5),
    ]


def _recalibration() -> List[Step]:
    name = {"session": "recalibration"}
    return [
        create("recalibration", **classifier()),
        train("recalibration", 0),
        ("stats.recalibrate", {**name, "x": batch(5)[0], "finish": False}),
        ("stats.recalibrate", {**name, "x": batch(6)[0], "finish": False}),
        train("recalibration", 1),
        ("stats.recalibrate", {**name, "finish": True}),
        train("recalibration", 2),
    ]


def _convert() -> List[Step]:
    return [
        create("convert", **classifier(optimizer={"type": "sgd", "lr": 0.1})),
        train("convert", 0),
        ("session.convert", {"session": "convert", "convention": "keras"}),
        train("convert", 1),
        ("session.convert", {"session": "convert", "convention": "pytorch", "optimizer": "adam"}),
        train("convert", 2),
    ]


def _copies() -> List[Step]:
    copy = {"session": "copies", "to": "copies-b"}
    return [
        create("copies", **classifier()),
        train("copies", 0),
        ("session.copy", copy),
        train("copies-b", 1),
        train("copies", 2),
        ("session.copy", {**copy, "if_exists": "replace"}),
        train("copies-b", 3),
        ("session.delete", {"session": "copies"}),
        train("copies-b", 4),
    ]


def _imports() -> List[Step]:
    into = {"format": "safetensors"}
    return [
        create("imports", **classifier()),
        train("imports", 0),
        ("session.export", {"session": "imports", **into}),
        train("imports", 1),
        ("session.import", {"session": "imports", **into, "data": data(2)}),
        train("imports", 2),
        ("session.export", {"session": "imports", **into}),
        ("session.import", {"session": "imports-b", **into, "data": data(1)}),
        train("imports-b", 3),
        train("imports", 3),
    ]


def _creates() -> List[Step]:
    return [
        create("creates", **classifier()),
        train("creates", 0),
        create("creates", **classifier(), if_exists="ok"),
        train("creates", 1),
        create("creates", **classifier(seed=7), if_exists="replace"),
        train("creates", 2),
        ("session.delete", {"session": "creates"}),
        create("creates", **norm_only(4)),
        ("stats.reset", {"session": "creates"}),
        ("session.delete", {"session": "creates"}),
    ]


def _masked() -> List[Step]:
    mask = np.array([1, 1, 1, 0, 1, 0, 1, 1], bool)
    weights = np.linspace(0.5, 2, 8).astype("f4")
    steps = [
        create("masked", **_wide()),
        train("masked", 0, 8, mask=mask, sample_weight=weights),
        forward("masked", 1, 8, 6, mask=mask),
        backward("masked", 1, 2, 8, 3),
        forward("masked", 3, 8, 6, dtype="f8", update_stats=False),
        backward("masked", 1, 4, 8, 3, dtype="f8"),
        train("masked", 5, 8),
    ]
    return once(steps, "masked")


def _crossing() -> List[Step]:
    """Several forward steps, whose backwards come later and in another order."""
    sgd = {"type": "sgd", "lr": 0.1}
    steps = [
        create("crossing", **norm_only(4, optimizer=sgd)),
        forward("crossing", 0, 8, 4),
        forward("crossing", 1, 6, 4),
        forward("crossing", 2, 4, 4, update_stats=False),
        backward("crossing", 2, 3, 6, 4),
        backward("crossing", 2, 4, 4, 4),
        backward("crossing", 5, 5, 8, 4),
    ]
    return once(steps, "crossing")


def _dropped() -> List[Step]:
    """Forward steps that another change drops, and ones that it lets be."""
    name = {"session": "dropped"}
    layers = [{"type": "linear", "out": 4}, {"type": "batch_norm"}]
    steps = [create("dropped", layers=layers, input=4, optimizer={"type": "sgd", "lr": 0.1})]
    changes = [
        ("session.import", {**name, "data": data(2)}),
        ("stats.freeze", name),
        ("stats.thaw", name),
    ]
    for seed, change in enumerate(changes):
        steps += [
            ("session.export", {**name, "format": "safetensors"}),
            forward("dropped", seed, 8, 4),
            change,
            ("!backward", {**name, "step": back(2), "dy": numbers(seed, 8, 4)}),
        ]
    return _client(steps, "dropped")


def _lasting() -> List[Step]:
    """Forward steps that outlive a change."""
    name = {"session": "lasting"}
    layers = [{"type": "linear", "out": 4}, {"type": "batch_norm"}]
    steps = [create("lasting", layers=layers, input=4, optimizer={"type": "sgd", "lr": 0.1})]
    changes = [
        ("stats.reset", name),
        ("stats.recalibrate", {**name, "x": numbers(7, 8, 4)}),
    ]
    for seed, change in enumerate(changes):
        steps += [
            forward("lasting", seed, 8, 4),
            change,
            backward("lasting", 2, seed + 10, 8, 4),
        ]
    return _client(steps, "lasting")


def _untouched() -> List[Step]:
    ends = ["", "-\u00fc\u4e2d\U0001f600", "- a/../b'\"\\", "-" + "n" * 246]
    return [create("untouched" + end, **classifier()) for end in ends]


STORIES: Dict[str, Callable[[], List[Step]]] = {
    "norm": _norm_sgd,
    "wide": _wide_adam,
    "keras": _keras,
    "double": _float64,
    "lazy": _lazy,
    "open": _open,
    "schedule": _schedule,
    "plateau": _plateau,
    "sums": _accumulated,
    "settings": _settings,
    "recalibration": _recalibration,
    "convert": _convert,
    "copies": _copies,
    "imports": _imports,
    "creates": _creates,
    "masked": _masked,
    "crossing": _crossing,
    "dropped": _dropped,
    "lasting": _lasting,
    "untouched": _untouched,
}


def do(rpc: Rpc, step: Step, answers: List[Any]) -> None:
    """Takes a step, and keeps its answer."""
    method, fields = step
    given = {key: value(answers) if callable(value) else value for key, value in fields.items()}
    refused = method.startswith("!")
    try:
        answer = rpc.call(method.lstrip("!"), **given)
    except RpcError as error:
        assert refused, f"{method} of {fields.get('session')}: {error}"
        answer = error.code
    else:
        assert not refused, f"{method} of {fields.get('session')}: {answer}"
    answers.append(answer)


def comparable(value: Any) -> Any:
    """An answer as what can be compared; step numbers differ after a restart."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: comparable(one) for key, one in value.items() if key != "step"}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    return value


def state(rpc: Rpc, story: str) -> Dict[str, Any]:
    """All that can be read of the sessions of a story."""
    read = {}
    for name in rpc.call("session.list")["sessions"]:
        if name == story or name.startswith(story + "-"):
            described = rpc.call("session.describe", session=name)
            try:
                exported = rpc.call("session.export", session=name, format="safetensors")
            except RpcError as error:
                exported = error.code
            read[name] = comparable([described, exported])
    return read
