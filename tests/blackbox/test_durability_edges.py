# SPDX-License-Identifier: Apache-2.0
"""A data directory where requests, failures and settings meet in rarer ways."""

import resource

import numpy as np
import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from harness.scale import scaled
from models import batch, classifier, norm_only


def start(path, *options):
    """A daemon on the directory, and a connection to it."""
    daemon = Daemon("--data-dir", str(path), *options)
    return daemon, daemon.connect()


def test_a_kept_step_is_not_changed_by_the_training_behind_it(tmp_path):
    """The step is in the base and shares the parameters of its state; the journal changes these."""
    x, target = batch(1)
    daemon, rpc = start(tmp_path / "store")
    rpc.call("session.create", session="w", **classifier())
    forward = {"session": "w", "x": x, "client": "c", "seq": 1}
    first = rpc.call("forward", **forward)
    rpc.call("server.save")
    rpc.call("train", session="w", x=x, target=target)
    daemon.kill()
    daemon, rpc = start(tmp_path / "store")
    with daemon:
        again = rpc.call("forward", **forward)
        assert again["step"] == first["step"]
        assert again["y"].tobytes() == first["y"].tobytes()


def test_a_session_may_go_or_be_replaced_while_its_requests_are_committed(tmp_path):
    """Forwards that change nothing are in one group with what ends their session."""
    daemon, rpc = start(tmp_path / "store", "--fsync", "always", "--threads", "4")
    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    with daemon:
        for turn in range(scaled(400, 100)):
            rpc.send("session.create", session="w", if_exists="replace", **norm_only())
            for _ in range(4):
                rpc.send("forward", session="w", x=x, update_stats=False)
            if turn % 2 == 0:
                rpc.send("session.delete", session="w")
            answers = [rpc.receive() for _ in range(6 - turn % 2)]
            assert [answer[2] for answer in answers] == [None] * len(answers)


def gradients_that_wait(rpc):
    """Accumulated gradients, as large as the parameters."""
    random = np.random.default_rng(1)
    step = rpc.call("forward", session="w", x=random.normal(size=(2, 64)).astype(np.float32))
    dy = random.normal(size=(2, 600)).astype(np.float32)
    rpc.call("backward", session="w", step=step["step"], dy=dy, apply=False)


def test_what_went_while_checkpoints_failed_does_not_stay(tmp_path):
    """Gradients that the base has are applied; the checkpoint that is to say so fails first."""
    daemon, rpc = start(tmp_path / "store")
    layers = [{"type": "linear", "out": 600}]
    adam = {"type": "adam", "lr": 0.5}
    rpc.call("session.create", session="w", input=[64], layers=layers, optimizer=adam, seed=1)
    gradients_that_wait(rpc)
    rpc.call("server.save", name="a")
    rpc.call("step", session="w")
    infinite = resource.RLIM_INFINITY
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (100000, infinite))
    with pytest.raises(RpcError, match="STORE_FAILED"):
        rpc.call("server.save", name="b")
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (infinite, infinite))
    rpc.call("server.save", name="c")
    daemon.terminate()
    assert daemon.wait() == 0
    daemon, rpc = start(tmp_path / "store")
    with daemon:
        assert rpc.call("session.describe", session="w")["version"] == 3


def test_limits_that_are_too_small_for_the_journal_are_named(tmp_path):
    daemon, rpc = start(tmp_path / "store")
    rpc.call("session.create", session="w", **norm_only())
    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    step = rpc.call("forward", session="w", x=x, client="c", seq=1)["step"]
    rpc.call("backward", session="w", step=step, dy=x, client="c", seq=2)
    daemon.kill()
    with pytest.raises(RuntimeError, match="limits that are no smaller"):
        start(tmp_path / "store", "--context-bytes", "0")
    daemon, rpc = start(tmp_path / "store")
    with daemon:
        assert rpc.call("hello", client="c")["seq"] == 2
