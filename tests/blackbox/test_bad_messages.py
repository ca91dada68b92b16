# SPDX-License-Identifier: Apache-2.0
"""Byte streams that are no requests: that connection alone is closed, or the request refused."""

import struct

import msgpack
import numpy as np
import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from models import classifier


@pytest.fixture
def witness(daemon, name):
    """A session and a second connection that must not notice anything."""
    with daemon.connect() as other:
        other.call("session.create", session=name, **classifier())
        before = other.call("session.export", session=name, format="safetensors")
        yield other
        assert other.call("ping") == "pong"
        assert other.call("session.export", session=name, format="safetensors") == before


NOT_MESSAGEPACK = {
    "never used byte": b"\xc1",
    "never used byte inside": b"\x94\x00\x01\xa4ping\xc1",
    "ext": msgpack.packb([0, 1, "ping", [{"client": msgpack.ExtType(5, b"abcd")}]]),
    "timestamp ext": msgpack.packb([0, 1, "ping", [msgpack.Timestamp(1)]]),
    "ext of the kind that marks payloads inside the daemon":
        b"\x94\x00\x01\xa4ping\x91\xd6\x82\x00\x00\x00\x00",
    "http": b"\xc1GET / HTTP/1.1\r\n\r\n",
}
NOT_RPC = {
    "a number": b"\x05",
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "a map": msgpack.packb({"method": "ping"}),
    "an empty list": b"\x90",
    "another message type": msgpack.packb([3, 1, "ping", []]),
    "a response": msgpack.packb([1, 1, None, "pong"]),
    "a negative id": msgpack.packb([0, -1, "ping", []]),
    "an id of 33 bits": msgpack.packb([0, 1 << 32, "ping", []]),
    "an id of text": msgpack.packb([0, "1", "ping", []]),
    "a type of text": msgpack.packb(["0", 1, "ping", []]),
}


@pytest.mark.parametrize("data", [
    pytest.param(data, id=what) for what, data in {**NOT_MESSAGEPACK, **NOT_RPC}.items()
])
def test_a_stream_that_is_no_rpc_closes_that_connection_only(daemon, witness, data):
    with daemon.connect() as rpc:
        assert rpc.call("ping") == "pong"
        rpc.send_raw(data)
        assert rpc.closed_by_peer()


@pytest.mark.parametrize("data", [
    msgpack.packb([0, 1, "ping", [{}]])[:-1],
    b"\x94",
    b"\xdd\xff\xff\xff\xff",
    b"\x94\x00\x01\xa4pi",
    b"\x94\x00\x01\xa5infer\x91\x81\xa1x\xc6\x00\x10\x00\x00" + b"z" * 1000,
], ids=["ping", "list", "large list", "text", "payload"])
def test_a_truncated_message_and_an_end_close_that_connection_only(daemon, witness, data):
    with daemon.connect() as rpc:
        rpc.send_raw(data)
        rpc.socket.shutdown(1)
        assert rpc.closed_by_peer()


ENVELOPES = {
    "too short": [0, 1, "ping"],
    "too long": [0, 1, "ping", [], 5],
    "two params": [0, 1, "ping", [{}, {}]],
    "params of text": [0, 1, "ping", "params"],
    "params of a number": [0, 1, "ping", [5]],
    "method is a number": [0, 1, 5, []],
    "method is nil": [0, 1, None, []],
}


@pytest.mark.parametrize("message", [
    pytest.param(message, id=what) for what, message in ENVELOPES.items()
])
def test_a_request_of_a_wrong_form_is_refused_and_the_connection_goes_on(rpc, witness, message):
    rpc.send_raw(rpc.pack(message))
    with pytest.raises(RpcError, match="^BAD_REQUEST .*expected .*got") as caught:
        rpc.answer(1)
    assert caught.value.code == "BAD_REQUEST"
    assert rpc.call("ping") == "pong"


def nested(opener, depth):
    return b"\x94\x00\x01\xa4ping\x91\x81\xa6client" + opener * depth + b"\xc0"


TOO_LARGE = {
    "nested lists": nested(b"\x91", 5000),
    "nested maps": nested(b"\x81\xa1k", 5000),
    "17 levels": nested(b"\x91", 17),
    "many values": msgpack.packb([0, 1, "ping", [{"client": [0] * 100_000}]]),
    "wide and deep": msgpack.packb([0, 1, "ping", [{"client": [[0] * 300] * 300}]]),
    "many small payloads": msgpack.packb([0, 1, "ping", [{"client": [bytes(1 << 14)] * 100}]]),
    "a large head": msgpack.packb([0, 1, "ping", [{"client": [bytes(1 << 13)] * 600}]]),
}


@pytest.mark.parametrize("data", [pytest.param(d, id=what) for what, d in TOO_LARGE.items()])
def test_a_message_over_a_limit_is_refused_and_read_past(rpc, witness, data):
    rpc.send_raw(data)
    with pytest.raises(RpcError, match="^TOO_LARGE .*expected at most"):
        rpc.answer(1)
    assert rpc.call("ping") == "pong"


@pytest.mark.parametrize("header", [b"\xdd", b"\xdf"], ids=["array32", "map32"])
def test_a_container_of_four_billion_values_costs_no_memory(daemon, witness, header):
    before = resident_kib(daemon)
    for _ in range(20):
        with daemon.connect() as rpc:
            start = b"\x94\x00\x01\xa4ping\x91"
            rpc.send_raw(start + header + struct.pack(">I", 2**32 - 1) + b"\xc0" * 1000)
            assert witness.call("ping") == "pong"
    # 20 times 4 billion of anything would show.
    assert resident_kib(daemon) - before < 64 * 1024


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def small_daemon():
    """A daemon that takes 1 MiB a message."""
    with Daemon("--max-message-bytes", "1M") as running:
        yield running


def test_a_payload_over_the_limit_is_refused_and_read_past(small_daemon, name):
    with small_daemon.connect() as rpc:
        rpc.call("session.create", session=name, **classifier())
        limits = rpc.call("hello")["limits"]
        assert limits["message_bytes"] == 1 << 20
        x = np.zeros((1 << 16, 6), "f4")
        for _ in range(3):
            with pytest.raises(RpcError, match="^TOO_LARGE message: expected at most 1048576"):
                rpc.call("infer", session=name, x=x)
            assert rpc.call("infer", session=name, x=x[:100])["y"].shape == (100, 3)


def test_a_payload_that_is_announced_and_never_sent_costs_little(small_daemon):
    connections = []
    for _ in range(50):
        rpc = small_daemon.connect()
        rpc.send_raw(b"\x94\x00\x01\xa5infer\x91\x81\xa1x\xc6\xff\xff\xff\xff" + b"z" * 100)
        connections.append(rpc)
    with small_daemon.connect() as rpc:
        assert rpc.call("ping") == "pong"
    assert resident_kib(small_daemon) < 1 << 20
    for rpc in connections:
        rpc.close()
