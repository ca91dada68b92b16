# SPDX-License-Identifier: Apache-2.0
"""Chooses the power cuts that are tried."""

from __future__ import annotations

import random
from typing import Dict, Iterator, List

import recording
from disk import Cut
from recording import Op

DATA = ("none", "pages", "prefix", "all")
NAMES = ("ordered", "posix")


def _telling(ops: List[Op]) -> List[int]:
    """The calls about which something becomes sure or changes its name: before and after each."""
    kinds = (*recording.NAMES, recording.SYNC_BEGIN, recording.SYNC_END, recording.WRITTEN_DUE)
    places = {index + step for index, op in enumerate(ops) if op.kind in kinds for step in (0, 1)}
    places |= {index for index, op in enumerate(ops) if op.kind == recording.OPEN}
    return sorted(places)


def _rare(ops: List[Op]) -> List[int]:
    """Those that have to do with a checkpoint: all but writes and syncs of the usual kind."""
    kinds = (*recording.NAMES, recording.WRITTEN_DUE, recording.TRUNCATED, recording.EXTENDED)
    return sorted(
        {index + step for index, op in enumerate(ops) if op.kind in kinds for step in (0, 1)}
    )


def choose(ops: List[Op], count: int, seed: int) -> Iterator[Cut]:
    """`count` cuts: a third spread evenly, a third about syncs, a third about checkpoints. What of the
    unsure survives goes round all ways."""
    chance = random.Random(seed)
    even = [round(i * len(ops) / max(1, count // 3)) for i in range(count // 3)]
    places = even
    for pool in (_telling(ops), _rare(ops)):
        share = (count - len(even) + 1) // 2
        places = places + chance.sample(pool, min(share, len(pool)))
    while len(places) < count:
        places.append(chance.randrange(len(ops) + 1))
    for number, at in enumerate(sorted(places[:count])):
        yield Cut(at, DATA[number % 4], NAMES[number // 4 % 2], chance.randrange(1 << 32))


def time_of(ops: List[Op], cut: Cut) -> int:
    """The latest moment at which the cut can have come, in nanoseconds: what was acknowledged before
    it could not yet know of the call that was cut."""
    return ops[cut.at].time if cut.at < len(ops) else ops[-1].time + 1


def slowest_sync(ops: List[Op], moment: int) -> int:
    """How long the slowest sync took, in nanoseconds, of those that ran in the three seconds before
    the moment, at which they are cut off."""
    begun: Dict[int, int] = {}
    slowest = 0
    for op in ops:
        if op.kind == recording.SYNC_BEGIN:
            begun[op.value] = op.time
        elif op.kind in (recording.SYNC_END, recording.SYNC_FAILED):
            begin, end = begun.pop(op.value), min(op.time, moment)
            if begin < moment and end > moment - 3_000_000_000:
                slowest = max(slowest, end - begin)
    return slowest
