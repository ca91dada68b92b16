# SPDX-License-Identifier: Apache-2.0
"""How bytes may come: in pieces, many requests at once, out of order, over either socket."""

import os
import stat
import threading
import time

import msgpack
import numpy as np
import pytest
from harness.scale import scaled
from models import batch, classifier, norm_only


def test_a_request_may_come_one_byte_at_a_time(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = np.arange(16, dtype="f4").reshape(4, 4)
    message = rpc.request("infer", {"session": name, "x": x})
    for at in range(len(message)):
        rpc.send_raw(message[at : at + 1])
    assert rpc.answer(rpc.next_id - 1)["y"].shape == (4, 4)


def test_a_large_request_may_come_in_odd_pieces(rpc, name):
    rpc.call("session.create", session=name, **norm_only(50))
    x = np.random.default_rng(0).normal(size=(2000, 50)).astype("f4")
    whole = rpc.call("infer", session=name, x=x)["y"]
    message = rpc.request("infer", {"session": name, "x": x})
    random = np.random.default_rng(1)
    at = 0
    while at < len(message):
        size = int(random.choice([1, 7, 100, 4095, 65537]))
        rpc.send_raw(message[at : at + size])
        at += size
    np.testing.assert_array_equal(rpc.answer(rpc.next_id - 1)["y"], whole)


def test_many_requests_in_one_segment_are_all_answered(rpc):
    count = scaled(5000, 200)
    rpc.send_raw(b"".join(rpc.request("ping", {}) for _ in range(count)))
    assert [rpc.receive()[1] for _ in range(count)] == list(range(count))


def test_pipelined_trains_of_one_session_run_in_their_order(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    first = rpc.next_id
    for seed in range(100):
        x, target = batch(seed)
        rpc.send("train", session=name, x=x, target=target)
    versions = {}
    for _ in range(100):
        _, message_id, error, result = rpc.receive()
        assert error is None
        versions[message_id] = result["version"]
    assert versions == {first + i: i + 1 for i in range(100)}


def test_a_quick_answer_overtakes_a_slow_one(rpc, name):
    layers = [{"type": "linear", "out": 1000}, {"type": "linear", "out": 1000}]
    rpc.call("session.create", session=name, layers=layers, input=8, loss="mse")
    random = np.random.default_rng(2)
    x = random.normal(size=(300, 8)).astype("f4")
    target = random.normal(size=(300, 1000)).astype("f4")
    slow = [rpc.send("train", session=name, x=x, target=target) for _ in range(8)]
    quick = rpc.send("ping")
    order = [rpc.receive()[1] for _ in range(9)]
    assert sorted(order) == slow + [quick]
    assert order[-1] != quick


def test_ids_are_the_clients_own(rpc):
    for message_id in (0, 127, 128, 65536, 2**32 - 1, 5, 5):
        rpc.send_raw(rpc.pack([0, message_id, "ping", []]))
        assert rpc.receive() == [1, message_id, None, "pong"]


def test_a_response_begins_as_every_client_expects(rpc):
    rpc.send("ping")
    assert rpc.socket.recv(100)[:2] == b"\x94\x01"


def test_notifications_are_done_and_not_answered(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    x, target = batch(5)
    rpc.send_raw(rpc.pack([2, "train", [{"session": name, "x": x, "target": target}]]))
    rpc.send_raw(rpc.pack([2, "no.such.method", [1, 2, 3]]))
    rpc.send_raw(rpc.pack([2, "train", [{"session": "nobody"}]]))
    message_id = rpc.send("session.export", session=name, format="safetensors")
    # Exports read a snapshot, so ask until the train has come through.
    version = rpc.answer(message_id)["version"]
    deadline = time.monotonic() + 60
    while version == 0 and time.monotonic() < deadline:
        version = rpc.call("stats", session=name)["version"]
    assert version == 1


def test_keys_may_be_mixed_within_one_request(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = np.arange(8, dtype="f4").reshape(2, 4)
    fields = {
        b"session": name.encode(),
        "x": {b"nd": True, "type": b"<f4", b"shape": [2, 4], "kind": "", b"data": x.tobytes()},
    }
    rpc.send_raw(msgpack.packb([0, 1, b"infer", [fields]]))
    assert rpc.answer(1)["y"].shape == (2, 4)


@pytest.mark.parametrize("keys", ["str", "bin"])
def test_arrays_are_answered_with_the_keys_they_came_with(daemon, name, keys):
    with daemon.connect(keys) as rpc:
        rpc.call("session.create", session=name, **norm_only())
        rpc.send("infer", session=name, x=np.ones((2, 4), "f4"))
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(rpc.socket.recv(1 << 16))
        array = unpacker.unpack()[3]["y"]
    expected = ["nd", "type", "kind", "shape", "data"]
    assert list(array) == ([key.encode() for key in expected] if keys == "bin" else expected)
    assert array[expected[-1].encode() if keys == "bin" else "data"]


def test_a_client_may_close_its_side_first_and_still_read_its_answers(daemon, name):
    with daemon.connect() as rpc:
        rpc.call("session.create", session=name, **classifier())
        x, target = batch(6)
        for _ in range(20):
            rpc.send("train", session=name, x=x, target=target)
        rpc.socket.shutdown(1)
        versions = [rpc.receive()[3]["version"] for _ in range(20)]
        assert sorted(versions) == list(range(1, 21))
        assert rpc.closed_by_peer()


def test_a_client_that_goes_away_in_the_middle_of_a_message_harms_nobody(daemon, rpc, name):
    rpc.call("session.create", session=name, **norm_only(50))
    x = np.ones((2000, 50), "f4")
    message = rpc.request("train", {"session": name, "x": x, "target": x})
    for size in (1, 10, 100, len(message) // 2, len(message) - 1):
        with daemon.connect() as other:
            other.send_raw(message[:size])
    assert rpc.call("stats", session=name)["version"] == 0


def test_a_client_that_does_not_read_is_made_to_wait(daemon, rpc, name):
    # 200 answers of 1 MB, far more than socket buffers hold. The daemon stops reading from this
    # client rather than collecting answers for it, and serves others meanwhile.
    rpc.call("session.create", session=name, **norm_only(256))
    x = np.ones((1024, 256), "f4")
    with daemon.connect() as lazy:
        message = lazy.request("infer", {"session": name, "x": x})
        sender = threading.Thread(target=lambda: [lazy.send_raw(message) for _ in range(200)])
        sender.start()
        for _ in range(100):
            assert rpc.call("ping") == "pong"
            time.sleep(0.005)
        assert sender.is_alive()
        for _ in range(200):
            assert lazy.receive()[3]["y"].shape == (1024, 256)
        sender.join()


def test_the_unix_socket_serves_as_tcp_does_and_is_the_owners_own(daemon, name):
    assert stat.S_IMODE(os.stat(daemon.unix).st_mode) == 0o600
    with daemon.connect_unix() as unix, daemon.connect() as tcp:
        unix.call("session.create", session=name, **classifier())
        x, target = batch(7)
        assert unix.call("train", session=name, x=x, target=target)["version"] == 1
        assert tcp.call("train", session=name, x=x, target=target)["version"] == 2
