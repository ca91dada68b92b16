# SPDX-License-Identifier: Apache-2.0
"""Writes and syncs fail, are short or slow, and the disk is full, while clients train: the daemon
lives, infer is answered with committed versions, training goes on when the fault is over, and nothing
acknowledged is lost, applied twice or other than without the fault."""

import errno
import os
import subprocess
from pathlib import Path

import control
import pytest
import store
from clients import Crew
from control import DELAY, FAIL, FULL, NAME, SHORT, SPACE, SYNC, WRITE, Control
from harness.daemon import Daemon
from harness.scale import scaled
from kills import Victim
from verdict import judge, judge_bits

JOURNAL_BYTES = 256 << 10
BEFORE, DURING, AFTER = scaled(150, 50), scaled(300, 60), scaled(300, 60)


class Trial:
    """A daemon on a disk that can fail, and clients that train."""

    def __init__(self, folder: Path, fsync: str, directory: Path) -> None:
        self.page = Control(folder / "control")
        self.directory = directory
        environment = control.environment(directory, control=self.page)
        self.victim = Victim(directory, fsync, JOURNAL_BYTES, environment)
        self.crew = Crew(self.victim.connect, asking=True)

    def __enter__(self) -> "Trial":
        self.crew.make_sessions()
        self.crew.start()
        self.crew.wait_for(BEFORE)
        return self

    def __exit__(self, *_: object) -> None:
        self.victim.daemon.kill()

    def wait_until_refused(self, times: int = 20) -> None:
        """Waits until so many mutations were answered STORE_FAILED while infer was answered."""
        before, asked = self.crew.errors().get("STORE_FAILED", 0), self.crew.times_asked
        store.wait_until(
            lambda: self.crew.errors().get("STORE_FAILED", 0) >= before + times
            and self.crew.times_asked >= asked + times,
            self.crew.check,
        )

    def end(self) -> None:
        """The fault is over: training goes on by itself; then everything is compared, also after a
        SIGKILL and a restart, and after a clean stop and a restart."""
        self.crew.wait_for(AFTER)
        self.crew.stop()
        # What connections broke, and how often the daemon was killed: both never.
        assert [client.reconnected for client in self.crew.clients] == [0] * 8
        with self.victim.connect() as rpc:
            wrong = judge(self.crew, rpc)
        assert not wrong, "\n".join(wrong)
        self.victim.kill()
        for name in ("SIGKILL", "clean stop"):
            self.victim.start()
            self.victim.finish_start()
            with self.victim.connect() as rpc:
                wrong = judge_bits(self.crew, rpc)
            assert not wrong, f"after a {name}: " + "\n".join(wrong)
            self.victim.stop()


@pytest.fixture(params=["always", "everysec", "no"])
def trial(request, tmp_path):
    """Clients that train with each of the modes."""
    with Trial(tmp_path, request.param, tmp_path / "store") as running:
        yield running


def test_a_full_disk_stops_training_until_there_is_room(trial):
    trial.page.set(0, WRITE | SPACE | NAME, FULL, room=50_000)
    trial.wait_until_refused()
    assert trial.page.hits(0) > 0
    trial.page.lift()
    trial.end()


def test_writes_that_fail_now_and_then_cost_only_a_retry(trial):
    trial.page.set(0, WRITE, FAIL, error=errno.EIO, probability=0.1, seed=1)
    trial.page.set(1, WRITE | SPACE | NAME, FAIL, error=errno.ENOSPC, probability=0.05, seed=2)
    trial.crew.wait_for(DURING)
    trial.wait_until_refused(5)
    trial.page.lift()
    trial.end()


def test_short_writes_are_finished_or_taken_back(trial):
    trial.page.set(0, WRITE, SHORT, probability=0.5, seed=3)
    trial.crew.wait_for(DURING)
    assert trial.page.hits(0) > 0
    # Half of a group is written, and the rest fails.
    trial.page.set(1, WRITE, FAIL, error=errno.ENOSPC, probability=0.2, seed=4)
    trial.crew.wait_for(DURING)
    trial.wait_until_refused(5)
    trial.page.lift()
    trial.end()


def test_a_slow_disk_slows_training_only(trial):
    trial.page.set(0, WRITE, DELAY, delay_ms=20, probability=0.3, seed=5)
    trial.page.set(1, SYNC, DELAY, delay_ms=50, probability=0.3, seed=6)
    trial.crew.wait_for(DURING)
    assert trial.page.hits(0) > 0
    trial.page.lift()
    trial.end()
    assert not trial.crew.errors()


def test_syncs_that_fail_now_and_then_lose_nothing(trial):
    trial.page.set(0, SYNC, FAIL, probability=0.2, seed=7)
    trial.crew.wait_for(DURING)
    # With no, only checkpoints sync.
    store.wait_until(lambda: trial.page.hits(0) > 0, trial.crew.check)
    trial.page.lift()
    trial.end()


def test_checkpoints_that_fail_leave_the_journal_in_charge(trial):
    trial.page.set(0, WRITE | SYNC | SPACE, FAIL, error=errno.EIO, match="base/")
    trial.crew.wait_for(3 * DURING)
    store.wait_until(lambda: trial.page.hits(0) > 0, trial.crew.check)
    trial.page.lift()
    trial.end()


def test_all_faults_at_once(trial):
    for round_ in range(scaled(5)):
        for rule, (ops, action, share) in enumerate(
            [(WRITE, FAIL, 0.05), (WRITE, SHORT, 0.2), (WRITE | SYNC, DELAY, 0.1),
             (SYNC, FAIL, 0.05), (SPACE | NAME, FAIL, 0.2)]
        ):
            trial.page.set(
                rule, ops, action, error=errno.EIO, probability=share, seed=10 * round_ + rule,
                delay_ms=5,
            )
        trial.crew.wait_for(DURING)
        trial.page.lift()
        trial.crew.wait_for(20)
    trial.end()


@pytest.mark.parametrize("ops", [WRITE, SYNC, SPACE | NAME], ids=["write", "sync", "name"])
def test_a_start_on_a_failing_disk_is_refused_or_right_and_harms_nothing(tmp_path, ops):
    with Trial(tmp_path, "always", tmp_path / "store") as trial:
        trial.crew.stop()
        trial.victim.kill()
        for skip in range(8):
            trial.page.set(0, ops, FAIL, error=errno.EIO, skip=skip, count=3)
            try:
                Daemon(*trial.victim.arguments, environment=trial.victim.environment).kill()
            except RuntimeError as error:
                assert "STORE_FAILED" in str(error) or "Input/output error" in str(error), error
        trial.page.lift()
        trial.victim.start()
        trial.victim.finish_start()
        with trial.victim.connect() as rpc:
            assert judge(trial.crew, rpc) == []
        trial.victim.stop()


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 32 MiB; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leaves some last bytes, which the daemon, that writes meanwhile, takes itself."""
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    try:
        while os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > 100_000:
            os.write(ballast, bytes(64 << 10))
    finally:
        os.close(ballast)


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_small_file_system_that_fills_up(tmp_path, small_disk, fsync):
    with Trial(tmp_path, fsync, small_disk / "store") as trial:
        for _ in range(3):
            fill(small_disk)
            trial.wait_until_refused()
            os.unlink(small_disk / "ballast")
            trial.crew.wait_for(50)
        trial.end()
