# SPDX-License-Identifier: Apache-2.0
"""Clients that others wrote: plain msgpack with msgpack_numpy, and pynvim's MessagePack-RPC."""

import socket

import msgpack
import msgpack_numpy
import numpy as np
import pynvim.msgpack_rpc
import pytest
from harness import safetensors
from models import batch, classifier


class PlainMsgpack:
    """Nothing but the msgpack package, msgpack_numpy's two hooks and a socket."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.unpacker = msgpack.Unpacker(
            object_hook=msgpack_numpy.decode, strict_map_key=False, max_buffer_size=1 << 30
        )
        self.id = 0

    def request(self, method, **params):
        # msgpack_numpy decodes maps with bin keys only, so the request asks for such.
        params = {key.encode(): value for key, value in params.items()}
        self.id += 1
        self.socket.sendall(
            msgpack.packb([0, self.id, method, [params]], default=msgpack_numpy.encode)
        )
        while True:
            for kind, answered, error, result in self.unpacker:
                assert (kind, answered) == (1, self.id)
                assert error is None, error
                return result
            self.unpacker.feed(self.socket.recv(1 << 16))

    def close(self):
        self.socket.close()


class Pynvim:
    """pynvim's session as it is; arrays become maps before and after it."""

    def __init__(self, port):
        # Opens with a notification of nvim's own, which the daemon has to pass over.
        self.session = pynvim.msgpack_rpc.tcp_session("127.0.0.1", port)
        self.session.error_wrapper = lambda error: AssertionError(error)

    def encode(self, value):
        value = msgpack_numpy.encode(value)
        if isinstance(value, dict):
            return {key: self.encode(entry) for key, entry in value.items()}
        return bytes(value) if isinstance(value, memoryview) else value

    def decode(self, value):
        if isinstance(value, dict):
            return msgpack_numpy.decode({k: self.decode(v) for k, v in value.items()})
        return [self.decode(entry) for entry in value] if isinstance(value, list) else value

    def request(self, method, **params):
        fields = {key.encode(): self.encode(value) for key, value in params.items()}
        return self.decode(self.session.request(method, fields))

    def close(self):
        self.session.close()


@pytest.mark.parametrize("codec", [PlainMsgpack, Pynvim])
def test_a_foreign_client_creates_trains_infers_asks_and_exports(daemon, name, codec):
    client = codec(daemon.port)
    try:
        assert client.request("ping") == "pong"
        options = {**classifier(), "input": np.int64(6).item()}
        description = client.request("session.create", session=name, **options)
        assert description["created"] is True and description["session"] == name
        x, target = batch(0, 40)
        first = client.request("train", session=name, x=x, target=target)
        for _ in range(30):
            last = client.request("train", session=name, x=x, target=target)
        assert last["loss"] < 0.9 * first["loss"] and last["version"] == 31
        answer = client.request("infer", session=name, x=x)
        assert answer["y"].shape == (40, 3) and answer["y"].dtype == np.float32
        assert answer["version"] == 31
        layers = client.request("stats", session=name)["layers"]
        assert len(layers) == 1 and layers[0]["num_batches_tracked"] == 31
        assert layers[0]["running_mean"].shape == (8,)
        exported = client.request("session.export", session=name, format="safetensors")
        tensors = safetensors.load(exported["data"])
        np.testing.assert_array_equal(tensors["1.running_mean"], layers[0]["running_mean"])
        # What was exported is what answered: the same numbers by hand.
        h = x @ tensors["0.weight"].T + tensors["0.bias"]
        h = (h - tensors["1.running_mean"]) / np.sqrt(tensors["1.running_var"] + 1e-5)
        h = np.maximum(h * tensors["1.weight"] + tensors["1.bias"], 0)
        y = h @ tensors["3.weight"].T + tensors["3.bias"]
        np.testing.assert_allclose(answer["y"], y, rtol=1e-4, atol=1e-4)
    finally:
        client.close()
