# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the daemon under test, and judges what it logged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, List, Optional

from harness.rpc import Rpc

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("NORMD_BUILD", ROOT / "build"))
PROGRAM = BUILD / "bin" / "normd"

# Far longer than it ever takes: a test fails by it only when the daemon hangs.
DEADLINE_SECONDS = 120

READY = re.compile(r"normd: listening on (\S+):(\d+)\s*$")
ALARMING = re.compile(
    r"Sanitizer|runtime error:|[Aa]ssert|^\S+Z error ", re.MULTILINE
)


class Daemon:
    """One running daemon on 127.0.0.1, on a free port or the given one. Without `wait` it may still
    be starting, or have failed to."""

    def __init__(
        self,
        *arguments: str,
        port: int = 0,
        environment: Optional[Dict[str, str]] = None,
        wait: bool = True,
    ) -> None:
        self.log: List[str] = []
        self.port = 0
        self.seconds_to_ready = 0.0
        self._begun = time.monotonic()
        self._ready = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="normd-test-")
        self.unix = str(Path(self._folder.name) / "normd.sock")
        self.process = subprocess.Popen(
            [str(PROGRAM), "--port", str(port), "--unix", self.unix, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until it listens; RuntimeError when it ends before."""
        if not self._ready.wait(DEADLINE_SECONDS) or not self.port:
            self.kill()
            self._reader.join(DEADLINE_SECONDS)
            raise RuntimeError("the daemon did not get ready:\n" + "".join(self.log))

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            match = READY.search(line)
            if match and not self._ready.is_set():
                self.seconds_to_ready = time.monotonic() - self._begun
                self.port = int(match.group(2))
                self._ready.set()
        self._ready.set()

    def connect(self, keys: str = "bin") -> Rpc:
        """A new connection over TCP."""
        return Rpc(("127.0.0.1", self.port), keys)

    def connect_unix(self, keys: str = "bin") -> Rpc:
        """A new connection over the Unix socket."""
        return Rpc(self.unix, keys)

    def terminate(self) -> None:
        """Asks it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def ready(self) -> bool:
        """Whether it listens already."""
        return self._ready.is_set() and self.port != 0

    def wait(self) -> int:
        """Its exit status, after the last line of its log."""
        status = self.process.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        return status

    def stop(self) -> None:
        """Stops it as an operator does; it must end well and have logged nothing alarming."""
        try:
            self.terminate()
            status: Optional[int] = self.wait()
        finally:
            self.kill()
        log = "".join(self.log)
        assert status == 0, f"exit status {status}\n{log}"
        assert not ALARMING.search(log), log

    def kill(self) -> None:
        """Ends the process if it still runs, and removes its folder."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()
