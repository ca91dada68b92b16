# SPDX-License-Identifier: Apache-2.0
"""What the tests know of the daemon's store: its options, its port, what it logs."""

from __future__ import annotations

import random
import re
import socket
import time
from pathlib import Path
from typing import Callable, List

from harness.rpc import Rpc

_RECOVERED = re.compile(r" info recovered \d+ sessions in ([0-9.]+) seconds")

# What failing disks make the daemon log as errors.
_STORE_ERROR = re.compile(r"^\S+Z error .*(store|journal|base|checkpoint|commit|sync).*$", re.M)


def arguments(directory: Path, fsync: str, journal_bytes: int) -> List[str]:
    """The daemon's options."""
    return [
        "--data-dir", str(directory), "--fsync", fsync, "--journal-bytes", str(journal_bytes),
        "--threads", "2",
    ]


def free_port() -> int:
    """A port on which nobody listens, and below those that the kernel gives to outgoing connections:
    while the daemon is down, a client that connects could else be given it and meet itself."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def connect(port: int) -> Rpc:
    """A connection; it may be refused."""
    return Rpc(("127.0.0.1", port))


def recovery_seconds(log: List[str]) -> List[float]:
    """How long the daemon says that its recovery took."""
    found = [_RECOVERED.search(line) for line in log]
    return [float(match.group(1)) for match in found if match]


def expected_errors_left_out(log: str) -> str:
    """The log without the store's own errors, which a disk that fails has it write."""
    return _STORE_ERROR.sub("", log)


def wait_until(condition: Callable[[], bool], check: Callable[[], None]) -> None:
    """Waits until the condition holds; `check` fails when it no more can."""
    end = time.monotonic() + 120
    while not condition():
        check()
        assert time.monotonic() < end, "what was waited for did not come about"
        time.sleep(0.01)
