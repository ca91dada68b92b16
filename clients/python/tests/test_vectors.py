# SPDX-License-Identifier: Apache-2.0
"""The package reads the golden responses of protocol/vectors and writes its golden requests."""

import json
from pathlib import Path

import msgpack
import numpy as np
import pytest

from normd import encode
from normd.decode import Decoder

FILE = Path(__file__).resolve().parents[3] / "protocol" / "vectors" / "vectors.jsonl"
VECTORS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def value_of(shown):
    """The value that a vector's JSON stands for."""
    if isinstance(shown, dict):
        if "$array" in shown:
            array = shown["$array"]
            data = np.frombuffer(bytes.fromhex(array["data"]), array["type"])
            return data.reshape(array["shape"])
        if "$bytes" in shown:
            return bytes.fromhex(shown["$bytes"])
        return {key: value_of(entry) for key, entry in shown.items()}
    return [value_of(entry) for entry in shown] if isinstance(shown, list) else shown


def assert_same(got, want):
    if isinstance(want, np.ndarray):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key, entry in want.items():
            assert_same(got[key], entry)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(got, want):
            assert_same(one, other)
    else:
        assert got == want and type(got) in (type(want), memoryview)


def decoder_of(data, piece):
    """A decoder that receives `piece` bytes at a time."""
    rest = memoryview(data)

    def receive_into(view):
        nonlocal rest
        size = min(piece, len(view), len(rest))
        assert size > 0, "the decoder asks for more than there is"
        view[:size] = rest[:size]
        rest = rest[size:]
        return size

    return Decoder(receive_into)


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(
    "vector",
    [pytest.param(v, id=v["name"]) for v in VECTORS if v["direction"] == "response"],
)
def test_a_golden_response_is_read(vector, piece):
    expect = vector["expect"]
    kind, ident, error, result = decoder_of(bytes.fromhex(vector["hex"]), piece).read()
    assert (kind, ident, error) == (1, expect["id"], expect["error"])
    assert_same(result, value_of(expect["result"]))


REQUESTS = [
    v for v in VECTORS
    if v["direction"] == "request" and "method" in v["expect"] and v["expect"]["keys"] == "str"
    and not v["expect"].get("notification")
]


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in REQUESTS])
def test_what_the_package_writes_says_the_same_as_a_golden_request(vector):
    expect = vector["expect"]
    fields = {name: value_of(value) for name, value in expect["fields"].items()}
    pieces = encode.request(expect["id"], expect["method"], fields)
    kind, ident, method, (sent,) = msgpack.unpackb(b"".join(pieces))
    assert (kind, ident, method) == (0, expect["id"], expect["method"])
    assert list(sent) == list(fields)
    again = decoder_of(b"".join(pieces), 1 << 20).read()[3][0]
    for name, value in fields.items():
        assert_same(again[name], value)
