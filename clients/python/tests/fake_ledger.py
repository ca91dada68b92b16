# SPDX-License-Identifier: Apache-2.0
"""A daemon that counts mutations by client and number as the protocol says, and fails on demand."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

import msgpack
from fake_daemon import FakeDaemon, error, result

WINDOW = 64
# What `trouble` may say of a request besides an error to answer.
CUT_BEFORE, CUT_AFTER, SILENT = "cut before", "cut after", "silent"
Trouble = Callable[[List[Any]], Optional[str]]


class FakeLedger(FakeDaemon):
    """`applied` holds the `session` field of every mutation that was applied, in their order.

    `trouble(request)` is asked for each request before anything else: None lets it go its way.
    """

    def __init__(self, trouble: Trouble = lambda request: None, port: int = 0) -> None:
        self.trouble = trouble
        self.applied: List[str] = []
        self.rows: Dict[str, Dict[int, Tuple[bytes, int]]] = {}
        self.last: Dict[str, int] = {}
        self._lock = threading.Lock()
        super().__init__(self._reply, greets=False, port=port)

    def successor(self) -> FakeLedger:
        """A daemon on the same port that knows what this one, which has ended, did."""
        new = FakeLedger(port=self.port)
        new.applied, new.rows, new.last = self.applied, self.rows, self.last
        return new

    def _reply(self, request: List[Any]) -> Optional[bytes]:
        with self._lock:
            trouble = self.trouble(request)
            if trouble == CUT_BEFORE:
                return None
            if trouble == SILENT:
                return b""
            if trouble not in (None, CUT_AFTER):
                return error(request, trouble)
            answer = self._do(request)
            return None if trouble == CUT_AFTER else answer

    def _do(self, request: List[Any]) -> bytes:
        method, fields = request[2], dict(request[3][0])
        if method == "hello":
            name = fields.get("client")
            return result(request, {"server": "normd", "seq": self.last.get(name, 0)})
        if method in ("ping", "infer"):
            return result(request, {"version": len(self.applied), "y": 0})
        name, seq = fields.pop("client"), fields.pop("seq")
        body = msgpack.packb([method, fields])
        last = self.last.get(name)
        if last is None and seq != 1:
            return error(request, "UNKNOWN_CLIENT client: not known")
        last = last or 0
        if seq > last + 1:
            return error(request, f"SEQ_GAP seq: expected at most {last + 1}, got {seq}")
        if seq + WINDOW <= last:
            return error(request, f"SEQ_TOO_OLD seq: expected more than {last - WINDOW}, got {seq}")
        rows = self.rows.setdefault(name, {})
        if seq in rows and rows[seq][0] != body:
            return error(request, f"SEQ_REUSED seq: {seq} is another mutation's")
        if seq not in rows:
            if fields["session"].startswith("bad"):
                return error(request, "BAD_ARGUMENT session: expected a good one")
            self.applied.append(fields["session"])
            rows[seq] = (body, len(self.applied))
            self.last[name] = max(last, seq)
        return result(request, {"version": rows[seq][1]})
