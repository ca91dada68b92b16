# SPDX-License-Identifier: Apache-2.0
"""Valid requests with random damage: the daemon answers or closes, and goes on for others."""

import numpy as np
import pytest
from harness.scale import scaled
from models import batch, classifier, norm_only

ROUNDS = scaled(1500, 150)


def requests(rpc):
    """One valid request of each kind, as bytes."""
    x, target = batch(0)
    exported = rpc.call("session.export", session="victim", format="safetensors")["data"]
    victim = {"session": "victim"}
    return [
        rpc.request(method, params)
        for method, params in [
            ("hello", {"client": "mutant"}),
            ("session.create", {"session": "other", "if_exists": "replace", **classifier()}),
            ("session.create", {
                "session": "other", "if_exists": "replace",
                **norm_only(4, layer={"weight_init": np.ones(4)}),
            }),
            ("session.describe", {**victim, "convention": "keras"}),
            ("session.import", {**victim, "format": "safetensors", "data": exported}),
            ("forward", {**victim, "x": x, "update_stats": True}),
            ("backward", {**victim, "step": 1, "dy": x, "apply": True}),
            ("train", {**victim, "x": x, "target": target}),
            ("evaluate", {**victim, "x": x, "target": target}),
            ("infer", {**victim, "x": x}),
            ("stats", {**victim, "layer": "1"}),
        ]
    ]


def damage(random, data):
    """The bytes with one to four changes of the kinds that break parsers."""
    data = bytearray(data)
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(len(data)))
        kind = random.integers(5)
        if kind == 0:
            data[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            data[at] = int(random.choice([0x00, 0x7F, 0x80, 0xC0, 0xC4, 0xC6, 0xDB, 0xDD, 0xFF]))
        elif kind == 2:
            del data[at : at + int(random.integers(1, 9))]
        elif kind == 3:
            data[at:at] = random.bytes(int(random.integers(1, 9)))
        else:
            end = at + int(random.integers(1, 40))
            data[at:at] = data[at:end]
        if not data:
            return b"\x00"
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_requests_harm_nobody_else(daemon, rpc, name, seed):
    random = np.random.default_rng(seed)
    rpc.call("session.create", session="victim", if_exists="replace", **classifier())
    rpc.call("session.create", session=name, **classifier())
    valid = requests(rpc)
    before = rpc.call("session.export", session=name, format="safetensors")
    for _ in range(ROUNDS // 4):
        with daemon.connect() as mutant:
            mutant.send_raw(damage(random, valid[random.integers(len(valid))]))
            mutant.socket.shutdown(1)
            assert mutant.closed_by_peer()
    assert rpc.call("ping") == "pong"
    assert rpc.call("session.export", session=name, format="safetensors") == before
    # The one they were aimed at has only been changed by requests that made sense.
    x, target = batch(0)
    rpc.send("train", session="victim", x=x, target=target)
    error = rpc.receive()[2]
    assert error is None or error.split()[0] in ("NO_SUCH_SESSION", "BAD_SHAPE", "NOT_FINITE")
