# SPDX-License-Identifier: Apache-2.0
"""Pipelining, lost connections, time-outs, hostile answers, threads."""

import socket
import threading

import msgpack
import numpy as np
import pytest
from fake_daemon import FakeDaemon, array_map, error, result

import normd


def test_answers_out_of_order_reach_their_futures():
    waiting = []

    def answer(request):
        waiting.append(request)
        if len(waiting) < 3:
            return b""
        return b"".join(result(r, {"version": r[1]}) for r in reversed(waiting))

    with FakeDaemon(answer) as daemon:
        client = normd.connect(port=daemon.port, exactly_once=False)
        with client, client.pipeline() as pipeline:
            futures = [pipeline.step("m") for _ in range(3)]
            assert not futures[0].done
        assert [future.result().version for future in futures] == [0, 1, 2]


def test_a_pipeline_raises_the_first_error_and_keeps_the_other_answers():
    def answer(request):
        if request[1] == 1:
            return error(request, "NOT_FINITE x: expected finite values, got nan")
        return result(request, {"version": request[1]})

    with FakeDaemon(answer) as daemon:
        with normd.connect(port=daemon.port, exactly_once=False) as client:
            with pytest.raises(normd.NotFinite):
                with client.pipeline() as pipeline:
                    futures = [pipeline.step("m") for _ in range(3)]
            assert futures[2].result().version == 2
            with pytest.raises(normd.NotFinite):
                futures[1].result()


def test_large_requests_and_answers_in_flight_do_not_block_each_other():
    # Each side has more to send than socket buffers hold: reading only after everything was
    # sent would never end.
    y = array_map(np.zeros(1 << 20, "f4"))
    with FakeDaemon(lambda request: result(request, {"version": 0, "y": y})) as daemon:
        with normd.connect(port=daemon.port, timeout=60) as client:
            x = np.ones((1 << 10, 1 << 10), "f4")
            with client.pipeline() as pipeline:
                futures = [pipeline.infer("m", x) for _ in range(12)]
            assert all(future.result().y.shape == (1 << 20,) for future in futures)


def test_a_missing_answer_is_a_timeout_and_closes_the_connection():
    with FakeDaemon(lambda request: b"") as daemon:
        with normd.connect(port=daemon.port, deadline=0.5) as client:
            with pytest.raises(normd.DeadlineExceeded) as caught:
                client.ping()
            assert caught.value.applied is False
            with pytest.raises(normd.Timeout):
                client.ping()
        assert daemon.connections == 2


def test_no_daemon_is_a_lost_connection():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(normd.ConnectionLost, match=str(port)):
        normd.connect(port=port)
    with pytest.raises(normd.ConnectionLost, match="/nowhere"):
        normd.connect(unix="/nowhere/normd.sock")


def test_a_closed_client_fails_open_futures():
    with FakeDaemon(lambda request: b"") as daemon:
        client = normd.connect(port=daemon.port)
        future = client.submit(normd.calls.ping())
        client.close()
        with pytest.raises(normd.ConnectionLost):
            future.result()


def test_a_closed_client_stays_closed():
    with FakeDaemon(lambda request: result(request, "pong")) as daemon:
        with normd.connect(port=daemon.port) as client:
            assert client.ping() == "pong"
        client.close()
        for call in (client.ping, client.session("m").step, client.pipeline().ping):
            with pytest.raises(normd.ClientClosed, match="normd.connect"):
                call()
        assert daemon.connections == 1 and len(daemon.requests) == 1


ND = {"nd": True, "kind": "", "shape": [1]}


@pytest.mark.parametrize(
    "answer",
    [
        b"\xc1",
        b"\x05",
        msgpack.packb([1, 0, None]),
        msgpack.packb([2, "surprise", []]),
        msgpack.packb([1, 99, None, "pong"]),
        msgpack.packb([1, 0, None, msgpack.ExtType(5, b"abc")]),
        b"\x94\x01\x00\xc0\xdd\xff\xff\xff\xff",
        b"\x94\x01\x00\xc0\xdf\xff\xff\xff\xff",
        b"\x94\x01\x00\xc0" + b"\x91" * 1000,
        msgpack.packb([1, 0, None, {1: 2}]),
        msgpack.packb([1, 0, None, {**ND, "type": "|O", "data": b"12345678"}]),
        msgpack.packb([1, 0, None, {**ND, "type": "<f4", "data": b"12345678"}]),
        msgpack.packb([1, 0, None, {**ND, "type": "what", "data": b"1234"}]),
        msgpack.packb([1, 0, None, {**ND, "type": "<f4", "data": "1234"}]),
        msgpack.packb([1, 0, None, {"nd": True}]),
    ],
    ids=lambda answer: answer[:12].hex(),
)
def test_an_answer_that_is_none_is_a_lost_connection(answer):
    with FakeDaemon(lambda request: answer) as daemon:
        with normd.connect(port=daemon.port, timeout=30) as client:
            with pytest.raises(normd.ConnectionLost):
                client.ping()


def test_every_form_of_a_value_is_understood():
    value = {
        "ints": [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1],
        "negative": [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)],
        "constants": [None, True, False, 1.5, -0.0],
        "texts": ["", "a" * 31, "ä" * 100, "b" * 300, "c" * 70000],
        "lists": [[], [0] * 15, [0] * 16, [0] * 70000],
        "maps": [{str(i): i for i in range(n)} for n in (0, 15, 16, 70000)],
    }
    with FakeDaemon(lambda request: result(request, value)) as daemon:
        with normd.connect(port=daemon.port) as client:
            assert client.describe("m") == value


def test_an_answer_may_come_one_byte_at_a_time():
    y = np.arange(5000, dtype="f8")
    whole = msgpack.packb([1, 0, None, {"version": 1, "y": array_map(y)}])
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        sock, _ = listener.accept()
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.recv(1 << 16)
            for i in range(len(whole)):
                sock.sendall(whole[i : i + 1])

    thread = threading.Thread(target=serve)
    thread.start()
    with listener, normd.connect(port=listener.getsockname()[1]) as client:
        np.testing.assert_array_equal(client.infer("m", [1.0]).y, y)
    thread.join()


def test_threads_share_a_client_one_call_at_a_time():
    with FakeDaemon(lambda request: result(request, {"version": request[1]})) as daemon:
        with normd.connect(port=daemon.port, exactly_once=False) as client:
            versions = []

            def work():
                for _ in range(50):
                    versions.append(client.step("m").version)

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(versions) == list(range(400))
