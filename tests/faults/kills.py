#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILLs the daemon at random moments while eight clients train three sessions with retries; then
nothing that was acknowledged is missing, nothing was applied twice, and every session has the bits of
an uninterrupted run.

    kills.py [--kills N] [--seed N] [--fsync always|everysec|no] [--journal-bytes N]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional

import conftest  # noqa: F401  (finds the harness)
import store
from clients import Crew
from harness.daemon import ALARMING, Daemon
from verdict import judge, judge_bits


class Victim:
    """A daemon that is killed and started again on the same port and directory."""

    def __init__(
        self,
        directory: Path,
        fsync: str = "always",
        journal_bytes: int = 1 << 20,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        self.arguments = store.arguments(directory, fsync, journal_bytes)
        self.environment = environment
        self.port = store.free_port()
        self.starts: List[float] = []  # seconds from the start of the process to its ready line
        self.recoveries: List[float] = []  # seconds that it says it took
        self.daemon = self._spawn()
        self.finish_start()

    def _spawn(self) -> Daemon:
        return Daemon(*self.arguments, port=self.port, environment=self.environment, wait=False)

    def connect(self):
        """A connection; it may be refused."""
        return store.connect(self.port)

    def finish_start(self) -> None:
        """Waits until it listens."""
        self.daemon.wait_ready()

    def kill(self) -> None:
        """SIGKILLs it; it must have run well until now."""
        status = self.daemon.process.poll()
        assert status is None, f"the daemon ended by itself, with status {status}:\n" + "".join(
            self.daemon.log
        )
        self.daemon.kill()
        if self.daemon.ready():
            self.starts.append(self.daemon.seconds_to_ready)
            self.recoveries += store.recovery_seconds(self.daemon.log)
        log = "".join(self.daemon.log)
        assert not ALARMING.search(store.expected_errors_left_out(log)), log

    def start(self) -> None:
        """Starts it again; `finish_start` waits for it."""
        self.daemon = self._spawn()

    def stop(self) -> None:
        """Stops it as an operator does."""
        self.daemon.terminate()
        status = self.daemon.wait()
        self.daemon.kill()
        log = "".join(self.daemon.log)
        assert status == 0, f"exit status {status}\n{log}"


def moment(chance: random.Random, start: float) -> float:
    """Seconds from the start of the process to its SIGKILL: a third within start-up and recovery, the
    rest while it trains, commits and checkpoints. `start`: what a start usually takes."""
    if chance.random() < 1 / 3:
        return chance.uniform(0, 1.2 * start)
    return start + chance.expovariate(1 / 0.12)


def run(kills: int, seed: int, fsync: str, journal_bytes: int, folder: Path) -> str:
    """The whole test; gives its summary, AssertionError when something is wrong."""
    chance = random.Random(seed)
    begun = time.monotonic()
    victim = Victim(folder / "store", fsync, journal_bytes)
    crew = Crew(victim.connect, asking=True)
    try:
        crew.make_sessions()
        crew.start()
        unready = 0
        for _ in range(kills):
            start = statistics.median(victim.starts[-20:] or [victim.daemon.seconds_to_ready])
            time.sleep(moment(chance, start))
            crew.check()
            unready += 0 if victim.daemon.ready() else 1
            victim.kill()
            victim.start()
        victim.finish_start()
        crew.wait_for(100)
        crew.stop()
        killed = time.monotonic() - begun
        with victim.connect() as rpc:
            wrong = judge(crew, rpc)
        assert not wrong, "\n".join(wrong)
        # A clean stop makes a checkpoint of it, which holds the same.
        victim.stop()
        victim.start()
        victim.finish_start()
        with victim.connect() as rpc:
            wrong = judge_bits(crew, rpc)
        assert not wrong, "after a clean stop:\n" + "\n".join(wrong)
        victim.stop()
    finally:
        victim.daemon.kill()
    return summary(victim, crew, kills, unready, killed)


def spread(seconds: List[float]) -> str:
    """Least, median and most, in milliseconds."""
    if not seconds:
        return "not told"
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{low * 1e3:.1f}/{middle * 1e3:.1f}/{high * 1e3:.1f} ms"


def summary(victim: Victim, crew: Crew, kills: int, unready: int, seconds: float) -> str:
    """One line."""
    retries = sum(client.reconnected for client in crew.clients)
    return (
        f"{kills} kills in {seconds:.1f} s, {unready} of them before the daemon was ready; "
        f"{crew.count()} mutations acknowledged, {retries} times sent again, "
        f"{crew.times_asked} answers of infer; "
        f"start (min/median/max) {spread(victim.starts)}, recovery {spread(victim.recoveries)}; "
        f"nothing missing, nothing twice, the same bits"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="SIGKILLs the daemon while clients train.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--fsync", choices=["always", "everysec", "no"], default="always")
    parser.add_argument("--journal-bytes", type=int, default=1 << 20)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="normd-kills-") as folder:
        try:
            print(run(options.kills, options.seed, options.fsync, options.journal_bytes, Path(folder)))
        except (AssertionError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
