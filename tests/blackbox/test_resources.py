# SPDX-License-Identifier: Apache-2.0
"""One client cannot take the daemon from the others: they take turns, and memory has bounds."""

import threading

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
