# SPDX-License-Identifier: Apache-2.0
"""A data directory on a disk that is full for a while: changes are refused, all else goes on."""

import os
import subprocess

import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from harness.store import kill
from models import batch, classifier, norm_only
from stories import comparable, numbers, state


class Disk:
    """A small file system in memory, which a file of ours fills."""

    def __init__(self, path):
        self.path = path
        self.filler = path / "filler"

    def fill(self):
        """Takes all that is left, to the last byte."""
        with open(self.filler, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass

    def clear(self):
        """Gives it back."""
        self.filler.unlink()


@pytest.fixture
def disk(tmp_path):
    """8 MiB; only root may mount it."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


# Of a batch norm; as with the model below, what is written down of it takes more than what may be
# left of the journal's last page.
FEATURES = 2048


def model():
    """A classifier with a larger state."""
    layers = [{"type": "linear", "out": 256}, {"type": "batch_norm"}, {"type": "linear", "out": 3}]
    return classifier(layers=layers)


def start(disk, *options):
    daemon = Daemon("--data-dir", str(disk.path / "store"), *options)
    return daemon, daemon.connect()


def train(rpc, seed, **once):
    x, target = batch(seed)
    return rpc.call("train", session="s", x=x, target=target, **once)


def refused(call, *arguments, **fields):
    """The call must be answered STORE_FAILED."""
    with pytest.raises(RpcError) as caught:
        call(*arguments, **fields)
    assert caught.value.code == "STORE_FAILED", caught.value


@pytest.mark.parametrize("mode", ["always", "everysec", "no"])
def test_changes_are_refused_while_the_disk_is_full_and_reading_goes_on(disk, mode):
    daemon, rpc = start(disk, "--fsync", mode)
    rpc.call("session.create", session="s", **model())
    rpc.call("session.create", session="s-n", **norm_only(FEATURES))
    for seed in range(3):
        train(rpc, seed)
    step = rpc.call("forward", session="s-n", x=numbers(1, 8, FEATURES), client="c", seq=1)["step"]
    before = state(rpc, "s")
    x, _ = batch(9)
    y = rpc.call("infer", session="s", x=x)
    stats = rpc.call("stats", session="s")
    disk.fill()
    for seed in range(3):
        refused(train, rpc, 3)
        assert comparable(rpc.call("infer", session="s", x=x)) == comparable(y)
        assert comparable(rpc.call("stats", session="s")) == comparable(stats)
    refused(rpc.call, "session.create", session="s-t", **model())
    refused(rpc.call, "session.create", session="s", **model(), if_exists="replace")
    refused(rpc.call, "session.copy", session="s", to="s-t")
    refused(rpc.call, "stats.freeze", session="s")
    refused(rpc.call, "stats.reset", session="s")
    refused(rpc.call, "optimizer.set", session="s", lr=0.5)
    refused(rpc.call, "session.convert", session="s-n", convention="keras")
    refused(rpc.call, "forward", session="s-n", x=numbers(2, 8, FEATURES))
    dy = numbers(3, 8, FEATURES)
    refused(rpc.call, "backward", session="s-n", step=step, dy=dy, client="c", seq=2)
    # The queue of a session is refused as a whole, and answered in whole.
    for seed in range(20):
        x, target = batch(seed)
        rpc.send("train", session="s", x=x, target=target)
    assert all(rpc.receive()[2].startswith("STORE_FAILED") for _ in range(20))
    assert state(rpc, "s") == before
    info = rpc.call("server.info")["store"]
    assert info["failed_groups"] >= 10
    disk.clear()
    rpc.call("backward", session="s-n", step=step, dy=dy, client="c", seq=2)
    for seed in range(3, 6):
        train(rpc, seed)
    after = state(rpc, "s")
    kill(daemon)
    assert any("stored again" in line for line in daemon.log)
    daemon, rpc = start(disk)
    assert state(rpc, "s") == after
    # As if it had never been full.
    with Daemon() as whole, whole.connect() as other:
        other.call("session.create", session="s", **model())
        other.call("session.create", session="s-n", **norm_only(FEATURES))
        for seed in range(6):
            train(other, seed)
        step = other.call("forward", session="s-n", x=numbers(1, 8, FEATURES))["step"]
        other.call("backward", session="s-n", step=step, dy=dy)
        assert state(other, "s") == after
    daemon.stop()


def test_a_number_that_met_a_full_disk_is_free(disk):
    daemon, rpc = start(disk)
    rpc.call("session.create", session="s", **model(), client="c", seq=1)
    disk.fill()
    for _ in range(3):
        refused(train, rpc, 0, client="c", seq=2)
    assert rpc.call("hello", client="c")["seq"] == 1
    refused(rpc.call, "session.copy", session="s", to="t", client="c", seq=2)
    disk.clear()
    answer = train(rpc, 0, client="c", seq=2)
    assert answer["version"] == 1
    assert train(rpc, 0, client="c", seq=2) == answer
    kill(daemon)
    daemon, rpc = start(disk)
    assert train(rpc, 0, client="c", seq=2) == answer
    daemon.stop()


def test_a_stop_on_a_full_disk_loses_nothing(disk):
    daemon, rpc = start(disk)
    rpc.call("session.create", session="s", **model())
    for seed in range(5):
        train(rpc, seed)
    before = state(rpc, "s")
    disk.fill()
    daemon.terminate()
    daemon.wait()
    disk.clear()
    daemon, rpc = start(disk)
    assert state(rpc, "s") == before
    daemon.stop()


def test_checkpoints_that_fail_are_made_up_for(disk):
    """The journal grows until there is room for a checkpoint."""
    daemon, rpc = start(disk, "--journal-bytes", "64K", "--fsync", "no")
    rpc.call("session.create", session="s", **model())
    seed = 0
    while rpc.call("server.info")["store"]["checkpoints"] < 2:
        train(rpc, seed)
        seed += 1
    disk.fill()
    refused(train, rpc, seed)
    refused(train, rpc, seed)
    disk.clear()
    for _ in range(200):
        train(rpc, seed)
        seed += 1
    before = state(rpc, "s")
    kill(daemon)
    daemon, rpc = start(disk)
    assert state(rpc, "s") == before
    assert rpc.call("session.describe", session="s")["version"] == seed
    daemon.stop()
