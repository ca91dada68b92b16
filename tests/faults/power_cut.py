#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what the daemon writes and syncs while clients train, makes the directories that power cuts
may leave of it, and starts the daemon on each.

    power_cut.py [--fsync always|everysec|no|all] [--cuts N] [--seed N] [--keep DIR]

After every cut the daemon starts, each session is bit for bit what it was after some prefix of its
mutations, the clients' seqs fit to that, what was promised is there, the newest mutation of each
client is answered again as the first time, and training goes on to the same bits. Promised is: with
always, what was acknowledged before the cut; with everysec, what was acknowledged a second before (the
daemon syncs once a second), and half a second for the syncer to wake up and the answer to reach the
client, and as long as the longest sync took that ran in the last three seconds; with no, nothing.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import conftest  # noqa: F401  (finds the harness)
import control
import cuts
import recording
import store
import workload
from aftermath import Aftermath
from clients import Crew
from disk import Cut, Disk, differences
from harness.daemon import Daemon
from workload import SESSIONS, Acknowledged, Uninterrupted, by_version

SECOND = 1_000_000_000
JOURNAL_BYTES = 256 << 10
MOST = 20  # complaints: a damaged store has thousands

# Mutations of the recorded run, and what the clients wait between two: with everysec the run must take
# some seconds, or nothing in it would be promised.
RUNS = {"always": (600, 0.0), "everysec": (1200, 0.03), "no": (600, 0.0)}


class Recorded:
    """A run of the daemon, with all that it did to its directory and all that it acknowledged."""

    def __init__(self, fsync: str, folder: Path) -> None:
        self.fsync = fsync
        directory, log = folder / "store", folder / "log"
        directory.mkdir()
        mutations, pause = RUNS[fsync]
        daemon = Daemon(
            *store.arguments(directory, fsync, JOURNAL_BYTES),
            environment=control.environment(directory, log),
        )
        with daemon:
            crew = Crew(daemon.connect, pause=pause)
            crew.make_sessions()
            crew.start()
            crew.wait_for(mutations)
            crew.stop()
        self.crew = crew
        self.disk = Disk(recording.read(log))
        missed = differences(self.disk, directory)
        assert not missed, f"written past the library: {missed}"
        self.sessions, wrong = by_version(crew.acks())
        assert not wrong, "\n".join(wrong)
        self.exports = self._uninterrupted()

    def _uninterrupted(self) -> Dict[Tuple[str, int], str]:
        """The hash of each session's export after each of its mutations."""
        exports: Dict[Tuple[str, int], str] = {}
        with Daemon() as memory, memory.connect() as rpc:
            run = Uninterrupted(rpc, self.crew.mutations)
            for name, done in self.sessions.items():
                exports[name, 0] = workload.export(rpc, name)[1]
                for ack in done:
                    wrong = run.apply(ack)
                    assert not wrong, "\n".join(wrong)
                    exports[name, ack.version] = workload.export(rpc, name)[1]
        return exports

    def promised(self, moment: int) -> List[Acknowledged]:
        """What must be there after a cut at that moment."""
        if self.fsync == "no":
            return []
        if self.fsync == "everysec":
            moment -= SECOND + SECOND // 2 + cuts.slowest_sync(self.disk.ops, moment)
        return [ack for ack in self.crew.acks() if ack.time < moment]


def check(recorded: Recorded, cut: Cut, target: Path) -> Tuple[List[str], int]:
    """What is wrong after the cut, and how many mutations there are."""
    recorded.disk.write(cut, target)
    promised = recorded.promised(cuts.time_of(recorded.disk.ops, cut))
    return start_and_look(recorded, target, promised)


def start_and_look(
    recorded: Recorded,
    directory: Path,
    promised: List[Acknowledged],
    environment: Optional[Dict[str, str]] = None,
) -> Tuple[List[str], int]:
    """Starts the daemon on what a cut has left, and looks."""
    try:
        daemon = Daemon(
            *store.arguments(directory, "always", JOURNAL_BYTES), environment=environment
        )
    except RuntimeError as error:
        return [str(error)], 0
    try:
        with daemon.connect() as rpc:
            look = Aftermath(rpc, recorded.crew, recorded.sessions, recorded.exports)
            wrong = look.judge(promised)
            return wrong, sum(look.versions.values())
    finally:
        daemon.kill()


def cut_again(recorded: Recorded, cut: Cut, folder: Path) -> List[str]:
    """A second power cut, while the daemon recovers from the first."""
    left, log = folder / "left", folder / "log"
    recorded.disk.write(cut, left)
    initial = folder / "initial"
    shutil.copytree(left, initial)
    promised = recorded.promised(cuts.time_of(recorded.disk.ops, cut))
    try:
        Daemon(
            *store.arguments(left, "always", JOURNAL_BYTES),
            environment=control.environment(left, log),
        ).stop()
    except RuntimeError as error:
        return [str(error)]
    disk = Disk(recording.read(log), initial)
    missed = differences(disk, left)
    wrong = [f"written past the library: {missed}"] if missed else []
    for number, second in enumerate(cuts.choose(disk.ops, 6, cut.seed)):
        target = folder / f"second-{number}"
        disk.write(second, target)
        wrong += [f"then {second}: {w}" for w in start_and_look(recorded, target, promised)[0]]
    return wrong


def run(fsync: str, count: int, seed: int, folder: Path, keep: Optional[Path] = None) -> str:
    """Records one run and tries the cuts; gives a summary, AssertionError when something is wrong."""
    recorded = Recorded(fsync, folder)
    begun = time.monotonic()
    wrong: List[str] = []
    left = []
    for number, cut in enumerate(cuts.choose(recorded.disk.ops, count, seed)):
        target = folder / f"cut-{number}"
        found, mutations = check(recorded, cut, target)
        left.append(mutations)
        again = folder / f"again-{number}"
        if number % 10 == 5:
            again.mkdir()
            found += cut_again(recorded, cut, again)
        wrong += [f"{fsync}, {cut}: {complaint}" for complaint in found]
        if found and keep is not None:
            shutil.copy(folder / "log", keep / f"{fsync}.log")
            recorded.disk.write(cut, keep / f"{fsync}-cut-{number}")
        for path in (target, again):
            shutil.rmtree(path, ignore_errors=True)
        assert len(wrong) < MOST, "\n".join(wrong[:MOST])
    assert not wrong, "\n".join(wrong)
    kinds = [op.kind for op in recorded.disk.ops]
    return (
        f"{fsync}: {len(left)} power cuts in {time.monotonic() - begun:.1f} s within "
        f"{len(kinds)} calls ({kinds.count(recording.SYNC_END)} syncs, "
        f"{kinds.count(recording.REMOVED)} files removed) of {recorded.crew.count()} mutations in "
        f"{len(SESSIONS)} sessions; {min(left)} to {max(left)} of them were there; nothing promised "
        f"was lost, nothing damaged or half applied"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Cuts the power of a daemon that trains.")
    parser.add_argument("--fsync", choices=[*RUNS, "all"], default="all")
    parser.add_argument("--cuts", type=int, default=20, help="of each mode")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", type=Path, help="where to put the record and what a bad cut left")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    failed = False
    for fsync in RUNS if options.fsync == "all" else [options.fsync]:
        with tempfile.TemporaryDirectory(prefix="normd-power-") as folder:
            try:
                print(run(fsync, options.cuts, options.seed, Path(folder), options.keep), flush=True)
            except (AssertionError, RuntimeError) as error:
                print(error, file=sys.stderr)
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
