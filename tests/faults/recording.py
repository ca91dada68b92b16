# SPDX-License-Identifier: Apache-2.0
"""Reads the log that the preload library writes (preload/record.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import List

OPEN, WRITTEN, WRITTEN_DUE, TRUNCATED, EXTENDED = 1, 2, 3, 4, 5
SYNC_BEGIN, SYNC_END, SYNC_FAILED = 6, 7, 8
RENAMED, REMOVED, MKDIR, RMDIR, LINKED = 9, 10, 11, 12, 13
WRITES = (WRITTEN, WRITTEN_DUE)
NAMES = (RENAMED, REMOVED, MKDIR, RMDIR, LINKED)

_MAGIC = 0x6C746C66
_HEAD = struct.Struct("<IIQQQII")


@dataclass(frozen=True)
class Op:
    """One call that was done. `time` is CLOCK_MONOTONIC in nanoseconds, as time.monotonic_ns()."""

    kind: int
    time: int
    handle: int
    value: int
    path: str
    data: bytes


def read(path: Path) -> List[Op]:
    """Every call in its order. A record that was cut off at the very end is left out: the program
    was killed while it was written."""
    log = path.read_bytes()
    ops: List[Op] = []
    at = 0
    while at + _HEAD.size <= len(log):
        magic, kind, time, handle, value, path_size, data_size = _HEAD.unpack_from(log, at)
        assert magic == _MAGIC, f"no record at byte {at} of {path}"
        begin = at + _HEAD.size
        end = begin + path_size + data_size
        if end > len(log):
            break
        name = log[begin : begin + path_size].decode()
        ops.append(Op(kind, time, handle, value, name, log[begin + path_size : end]))
        at = end
    return ops
