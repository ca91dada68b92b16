# SPDX-License-Identifier: Apache-2.0
"""The requests that the tests send: sessions, and mutations that follow from (client, seq) alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Tuple

import numpy as np
from harness.rpc import Rpc

MAKER = "maker"  # the client that creates the sessions

# What a session's changes look like is one of three kinds: so small that its state is journaled; a
# state much larger than a batch, so that the request is; and steps that are kept between forward and
# backward, over a crash as well.
SESSIONS: Dict[str, Dict[str, Any]] = {
    "norm": {
        "layers": [{"type": "batch_norm", "features": 64}],
        "loss": "mse",
        "optimizer": {"type": "sgd", "lr": 0.01, "momentum": 0.9},
        "seed": 1,
    },
    "mlp": {
        "layers": [
            {"type": "linear", "out": 256}, {"type": "batch_norm"}, {"type": "relu"},
            {"type": "dropout", "p": 0.3}, {"type": "linear", "out": 10},
        ],
        "input": 64,
        "loss": "cross_entropy",
        "optimizer": {"type": "adam", "lr": 0.001},
        "seed": 2,
    },
    "steps": {
        "layers": [{"type": "batch_norm", "features": 48}],
        "optimizer": {"type": "sgd", "lr": 0.01},
        "seed": 3,
    },
}


@dataclass(frozen=True)
class Mutation:
    """A change of one session. `after`: a backward of the step that this seq of the same client
    made."""

    client: str
    seq: int
    session: str
    method: str
    params: Dict[str, Any]
    after: Optional[int] = None


@dataclass(frozen=True)
class Acknowledged:
    """What the daemon answered to a mutation, and when (time.monotonic_ns)."""

    client: str
    seq: int
    session: str
    version: int
    digest: str
    time: int


def creations() -> List[Mutation]:
    """The maker's mutations."""
    return [
        Mutation(MAKER, seq, session, "session.create", options)
        for seq, (session, options) in enumerate(SESSIONS.items(), 1)
    ]


def mutation(number: int, seq: int) -> Mutation:
    """The seq-th mutation of the client of that number, with a batch that no other has."""
    client = f"client-{number}"
    random = np.random.default_rng([number, seq])
    # Clients differ in where they begin, so that every session is busy with some at any time; a
    # forward and its backward stay neighbours.
    turn = (seq - 1 + number // 2 * 2) % 4
    if turn == 0:
        x = random.normal(1, 2, (32, 64)).astype("f4")
        return Mutation(client, seq, "norm", "train", {"x": x, "target": np.tanh(x)})
    if turn == 1:
        x = random.normal(size=(16, 64)).astype("f4")
        return Mutation(
            client, seq, "mlp", "train", {"x": x, "target": random.integers(0, 10, 16)}
        )
    array = random.normal(size=(24, 48)).astype("f4")
    if turn == 2:
        return Mutation(client, seq, "steps", "forward", {"x": array})
    return Mutation(client, seq, "steps", "backward", {"dy": array}, after=seq - 1)


def questions() -> Dict[str, np.ndarray]:
    """What is asked of each session by `infer`."""
    random = np.random.default_rng(99)
    widths = {"norm": 64, "mlp": 64, "steps": 48}
    return {name: random.normal(size=(4, wide)).astype("f4") for name, wide in widths.items()}


def digest(answer: Dict[str, Any]) -> str:
    """The numbers of an answer, all bits of them; without the names of steps, which are the
    daemon's."""
    total = hashlib.sha256()
    for key in sorted(answer):
        value = answer[key]
        if isinstance(value, np.ndarray):
            total.update(key.encode() + value.tobytes())
        elif key not in ("step", "version"):
            total.update(repr((key, value)).encode())
    return total.hexdigest()


def export(rpc: Rpc, session: str) -> Tuple[int, str]:
    """A session's version, and its whole state as a hash: parameters, statistics, optimizer."""
    answer = rpc.call("session.export", session=session, format="safetensors", optimizer=True)
    return answer["version"], hashlib.sha256(answer["data"]).hexdigest()


class Uninterrupted:
    """The same mutations in the order of their versions, in a daemon that keeps all in memory."""

    def __init__(self, rpc: Rpc, mutations: Dict[Tuple[str, int], Mutation]) -> None:
        self.rpc = rpc
        self.mutations = mutations
        self.steps: Dict[Tuple[str, int], int] = {}
        for creation in creations():
            rpc.call("session.create", session=creation.session, **creation.params)

    def apply(self, ack: Acknowledged) -> List[str]:
        """Does what was acknowledged; gives what comes out another way."""
        change = self.mutations[ack.client, ack.seq]
        params = dict(change.params)
        if change.after is not None:
            params["step"] = self.steps.pop((change.client, change.after))
        answer = self.rpc.call(change.method, session=change.session, **params)
        if "step" in answer:
            self.steps[change.client, change.seq] = answer["step"]
        wrong = []
        if answer["version"] != ack.version:
            wrong.append(f"{ack}: version {answer['version']} in an uninterrupted run")
        if digest(answer) != ack.digest:
            wrong.append(f"{ack}: another answer in an uninterrupted run")
        return wrong

    def asked(self, session: str) -> str:
        """The digest of the answer to the session's question."""
        return digest(self.rpc.call("infer", session=session, x=questions()[session]))


def by_version(acks: Iterable[Acknowledged]) -> Tuple[Dict[str, List[Acknowledged]], List[str]]:
    """Each session's acknowledged mutations in the order of versions; and what is wrong when they are
    not 1, 2, 3, ... each once."""
    sessions: Dict[str, List[Acknowledged]] = {name: [] for name in SESSIONS}
    for ack in acks:
        if ack.client != MAKER:
            sessions[ack.session].append(ack)
    wrong = []
    for name, list_ in sessions.items():
        list_.sort(key=lambda ack: ack.version)
        versions = [ack.version for ack in list_]
        twice = [a for a, b in zip(versions, versions[1:]) if a == b]
        missing = sorted(set(range(1, len(versions) + 1)) - set(versions))
        if twice or missing:
            wrong.append(f"{name}: versions twice: {twice[:5]}, missing: {missing[:5]}")
    return sessions, wrong
