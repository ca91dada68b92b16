# SPDX-License-Identifier: Apache-2.0
"""One client cannot take the daemon from the others: they take turns, and memory has bounds."""

import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from harness.scale import scaled
from models import norm_only


def read_all(connection, count, seen):
    """Reads so many answers; their numbers in the order in which they came."""
    for _ in range(count):
        seen.append(connection.receive()[1])


def test_connections_take_turns(daemon, rpc, name):
    """Others are served while one has thousands of requests waiting, and its answers keep their order."""
    sessions = scaled(500, 50)
    for number in range(sessions):
        rpc.send("session.create", session=f"{name}-{number}", **norm_only())
    for _ in range(sessions):
        assert rpc.answer()["created"]
    count = 3000
    with daemon.connect() as busy:
        requests = [("server.info", "session.list")[number % 2] for number in range(count)]
        seen = []
        reader = threading.Thread(target=read_all, args=(busy, count, seen))
        reader.start()
        busy.send_raw(b"".join(busy.request(method, {}) for method in requests))
        assert rpc.call("ping") == "pong"
        reader.join()
        assert seen == list(range(count))


def test_totals_follow_the_sessions(daemon, name):
    """The list is sorted and the totals right after sessions come, are replaced and go."""
    with daemon.connect() as rpc:
        before = rpc.call("server.info")
        for suffix in "cab":
            rpc.call("session.create", session=name + suffix, **norm_only())
        rpc.call("session.create", session=name + "a", if_exists="replace", **norm_only())
        rpc.call("session.delete", session=name + "c")
        rpc.call("session.create", session=name + "0", **norm_only())
        names = [each for each in rpc.call("session.list")["sessions"] if each.startswith(name)]
        assert names == [name + suffix for suffix in "0ab"]
        there = rpc.call("server.info")
        assert there["sessions"] == before["sessions"] + 3 and there["bytes"] > before["bytes"]
        for each in names:
            rpc.call("session.delete", session=each)
        after = rpc.call("server.info")
        assert after["sessions"] == before["sessions"]


def when_not_busy(rpc, method, **params):
    """The answer, asked for until there is memory for it."""
    while True:
        try:
            return rpc.call(method, **params)
        except RpcError as error:
            assert error.code == "BUSY", error


def announcement(size):
    """The start of a message with a payload of `size` bytes, of which none follows."""
    return b"\x94\x00\x00\xa5infer\x81\xa4data\xc6" + size.to_bytes(4, "big")


def test_who_stands_still_inside_a_message_is_closed(name):
    """Announced memory is free again afterwards; who is between messages stays."""
    with Daemon("--max-memory", "2M", "--progress-seconds", "1") as daemon:
        with daemon.connect() as rpc, daemon.connect() as first, daemon.connect() as second:
            rpc.call("session.create", session=name, **norm_only())
            x = np.ones((25000, 4), "f4")
            for stalled in (first, second):
                stalled.send_raw(announcement(1 << 20))
            assert rpc.call("ping") == "pong"
            assert first.closed_by_peer() and second.closed_by_peer()
            assert when_not_busy(rpc, "infer", session=name, x=x)["y"].shape == x.shape
    assert any("nothing more came of a message" in line for line in daemon.log)


def test_one_connection_cannot_announce_all_the_memory(name):
    """Half of it is for others, whatever one peer announces."""
    with Daemon("--max-memory", "2M", "--progress-seconds", "0") as daemon:
        with daemon.connect() as rpc, daemon.connect() as greedy:
            rpc.call("session.create", session=name, **norm_only())
            greedy.send_raw(announcement(1 << 20))
            assert rpc.call("infer", session=name, x=np.ones((25000, 4), "f4"))["version"] == 0
            with pytest.raises(RpcError, match="^BUSY"):
                rpc.call("infer", session=name, x=np.ones((100000, 4), "f4"))


def peak_bytes(daemon):
    """The most memory that the daemon has had."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


@pytest.mark.parametrize("method", ["infer", "forward"])
def test_large_answers_are_made_one_at_a_time(name, method):
    """24 small requests for 40 MB each, nothing read at first: all are answered, in turn."""
    with Daemon("--max-memory", "64M") as daemon:
        with daemon.connect() as greedy, daemon.connect() as other:
            layer = {"type": "linear", "in": 1, "out": 2000, "weight_init": "ones", "bias": False}
            greedy.call("session.create", session=name, layers=[layer])
            before = peak_bytes(daemon)
            x = np.ones((5000, 1), "f4")
            count = 24
            for _ in range(count):
                greedy.send(method, session=name, x=x)
            first = greedy.answer(1)
            assert other.call("infer", session=name, x=x[:10])["y"].shape == (10, 2000)
            for number in range(2, count + 1):
                assert greedy.answer(number)["y"].shape == first["y"].shape
            assert peak_bytes(daemon) - before < 400e6, "24 answers at once are 960 MB"


def test_answers_that_wait_count_in_the_budget(name):
    """Others are told to come back while an answer that is not read fills the budget."""
    with Daemon("--max-memory", "64M") as daemon:
        with daemon.connect() as greedy, daemon.connect() as other:
            layer = {"type": "linear", "in": 1, "out": 2000, "weight_init": "ones", "bias": False}
            other.call("session.create", session=name, layers=[layer])
            x = np.ones((5000, 1), "f4")
            begun = greedy.send("infer", session=name, x=x)
            head = greedy.socket.recv(16)
            with pytest.raises(RpcError, match="^BUSY requests in flight and their answers"):
                other.call("infer", session=name, x=x)
            with pytest.raises(RpcError, match="^TOO_LARGE expected a request that takes"):
                other.call("infer", session=name, x=np.ones((10000, 1), "f4"))
            assert greedy.receive(head)[1] == begun
            assert when_not_busy(other, "infer", session=name, x=x)["y"].shape == (5000, 2000)


def test_sessions_have_a_budget_together(name):
    """One more is refused until another is deleted; one that never fits is told so."""
    layer = {"type": "linear", "in": 256, "out": 256}
    with Daemon("--max-session-memory", "8M") as daemon, daemon.connect() as rpc:
        made = 0
        with pytest.raises(RpcError, match="^BUSY session: .* of 8388608 bytes"):
            for made in range(100):
                rpc.call("session.create", session=f"{name}-{made}", layers=[layer])
        assert 1 < made < 32
        file = rpc.call("session.export", session=f"{name}-0", format="safetensors")["data"]
        with pytest.raises(RpcError, match="^BUSY session"):
            rpc.call("session.import", session=name, format="safetensors", data=file)
        assert rpc.call("server.info")["sessions"] == made
        assert rpc.call("server.info")["bytes"] < 8 << 20
        rpc.call("session.delete", session=f"{name}-0")
        assert rpc.call("session.create", session=name, layers=[layer])["created"]
        with pytest.raises(RpcError, match="^TOO_LARGE session: .* at most 8388608 bytes"):
            rpc.call("session.create", session="x", layers=[{**layer, "out": 65536}])


def test_kept_steps_have_a_budget_together(name):
    """A session drops its own oldest steps, never those of others; without any its new one is not kept."""
    x = np.ones((20000, 4), "f4")
    with Daemon("--max-context-memory", "4M") as daemon, daemon.connect() as rpc:
        for suffix in "ab":
            rpc.call("session.create", session=name + suffix, **norm_only())
        idle = rpc.call("server.info")["bytes"]
        for _ in range(30):
            step = rpc.call("forward", session=name + "a", x=x)["step"]
        assert rpc.call("server.info")["bytes"] - idle < 5 << 20
        for _ in range(3):
            lost = rpc.call("forward", session=name + "b", x=np.ones((200000, 4), "f4"))["step"]
        with pytest.raises(RpcError, match="^CONTEXT_LOST"):
            rpc.call("backward", session=name + "b", step=lost, dy=np.ones((200000, 4), "f4"))
        assert rpc.call("backward", session=name + "a", step=step, dy=x)["dx"].shape == x.shape


def test_kept_steps_of_an_idle_session_expire(name):
    """Without any request to the session; then the memory is free."""
    x = np.ones((20000, 4), "f4")
    with Daemon("--context-seconds", "1") as daemon, daemon.connect() as rpc:
        rpc.call("session.create", session=name, **norm_only())
        rpc.call("forward", session=name, x=x)
        kept = rpc.call("server.info")["bytes"]
        assert kept > x.nbytes
        while rpc.call("server.info")["bytes"] > kept - x.nbytes:
            time.sleep(0.05)
        with pytest.raises(RpcError, match="^CONTEXT_LOST"):
            rpc.call("backward", session=name, step=1, dy=x)
