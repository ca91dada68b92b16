# SPDX-License-Identifier: Apache-2.0
"""Compares what a daemon has with an uninterrupted run of what it acknowledged."""

from __future__ import annotations

from typing import Dict, List, Tuple

import workload
from clients import Crew
from harness.daemon import Daemon
from harness.rpc import Rpc
from workload import SESSIONS, Acknowledged, Uninterrupted, by_version

# A few complaints say as much as thousands.
MOST = 10


def judge(crew: Crew, rpc: Rpc) -> List[str]:
    """After all is acknowledged: nothing missing, nothing twice, the same bits, every answer the same
    as without interruption, also those of infer."""
    acks = crew.acks()
    sessions, wrong = by_version(acks)
    for client in [crew.maker, *crew.clients]:
        last = rpc.call("hello", client=client.name)["seq"]
        if last != len(client.acks):
            wrong.append(f"{client.name}: {len(client.acks)} acknowledged, hello says {last}")
    for name, done in sessions.items():
        version = rpc.call("session.describe", session=name)["version"]
        if version != len(done):
            wrong.append(f"{name}: {len(done)} acknowledged, version {version}")
    if wrong:
        return wrong[:MOST]
    with Daemon() as memory, memory.connect() as reference:
        wrong += replay(crew, sessions, reference)
        for name in SESSIONS:
            crew.expected[name] = workload.export(reference, name)
    return wrong[:MOST] + judge_bits(crew, rpc)


def judge_bits(crew: Crew, rpc: Rpc) -> List[str]:
    """Where the sessions are not what `judge` found an uninterrupted run to end with."""
    return [
        f"{name}: other bits than in an uninterrupted run"
        for name in SESSIONS if workload.export(rpc, name) != crew.expected[name]
    ]


def replay(crew: Crew, sessions: Dict[str, List[Acknowledged]], reference: Rpc) -> List[str]:
    """The same in memory; what came out another way."""
    run = Uninterrupted(reference, crew.mutations)
    answers: Dict[Tuple[str, int], set] = {}
    for name, version, digest in crew.answers:
        answers.setdefault((name, version), set()).add(digest)
    wrong = []
    for name, done in sessions.items():
        for ack in [None, *done]:
            version = 0 if ack is None else ack.version
            wrong += [] if ack is None else run.apply(ack)
            served = answers.pop((name, version), set())
            if served and served != {run.asked(name)}:
                wrong.append(f"{name}: infer served a version {version} that was never committed")
            if len(wrong) >= MOST:
                return wrong
    wrong += [f"{name}: infer served version {version}" for name, version in answers]
    return wrong
