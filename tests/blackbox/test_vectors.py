# SPDX-License-Identifier: Apache-2.0
"""The golden byte vectors of protocol/vectors, sent to the daemon as they stand."""

import json

import pytest
from harness.daemon import ROOT

VECTORS = [
    json.loads(line)
    for line in (ROOT / "protocol/vectors/vectors.jsonl").read_text(encoding="utf-8").splitlines()
]

# What a request with right bytes may still be answered: there is no such session, for one.
DECODING_ERRORS = ("BAD_REQUEST ", "NO_SUCH_METHOD ", "TOO_LARGE ", "INTERNAL ")


def chosen(direction):
    """Vectors of one direction; those with limits of their own are for the unit tests."""
    return [
        pytest.param(v, id=v["name"])
        for v in VECTORS if v["direction"] == direction and "limits" not in v
    ]


@pytest.fixture(scope="module")
def shared(daemon):
    """One connection for all vectors that leave it open."""
    with daemon.connect() as rpc:
        rpc.next_id = 1 << 20
        yield rpc


@pytest.mark.parametrize("vector", chosen("request"))
def test_a_request_is_answered_as_its_vector_says(daemon, shared, vector):
    expect, data = vector["expect"], bytes.fromhex(vector["hex"])
    if expect.get("notification"):
        shared.send_raw(data)
    elif expect["id"] is None:
        with daemon.connect() as rpc:
            rpc.send_raw(data)
            assert rpc.closed_by_peer()
    else:
        shared.send_raw(data)
        kind, answered, error, _ = shared.receive()
        assert (kind, answered) == (1, expect["id"])
        if "error" in expect:
            assert error.startswith(expect["error"] + " "), error
            assert all(part in error for part in expect["mentions"]), error
        else:
            assert error is None or not error.startswith(DECODING_ERRORS), error
    assert shared.call("ping") == "pong"


@pytest.mark.parametrize("vector", chosen("stream"))
def test_a_stream_is_followed_or_given_up_as_its_vector_says(daemon, shared, vector):
    with daemon.connect() as rpc:
        rpc.send_raw(bytes.fromhex(vector["hex"]))
        if vector["expect"]["frame"] == "more":
            # Nothing is missing in the stream so far, so it is ours to end it.
            assert shared.call("ping") == "pong"
            rpc.socket.shutdown(1)
        assert rpc.closed_by_peer()
    assert shared.call("ping") == "pong"
