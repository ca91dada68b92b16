# SPDX-License-Identifier: Apache-2.0
"""The same requests give the same bits for any number of threads and every instruction set."""

import functools
import hashlib
import subprocess

import numpy as np
import pytest
from harness.daemon import PROGRAM, Daemon
from harness.scale import SCALE, scaled

# Shapes that are one tile and many: few and many features, few and many rows, rows that are no
# multiple of anything, spatial axes first and last.
SHAPES = [
    ((7, 3), "pytorch"),
    ((4096, 300), "pytorch"),
    ((20000, 8), "pytorch"),
    ((33, 1000), "pytorch"),
    ((16, 20, 33, 9), "pytorch"),
    ((3, 129, 50), "pytorch"),
    ((9, 31, 17, 40), "keras"),
]
if SCALE < 1:
    SMALLER = [(1024, 70), (5000, 8), (4, 20, 33, 9)]
    SHAPES = SHAPES[:1] + [(shape, "pytorch") for shape in SMALLER]


def add(digest, value):
    """Puts an answer's numbers into the digest, all bits of them."""
    if isinstance(value, np.ndarray):
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    elif isinstance(value, dict):
        for key in sorted(value):
            digest.update(key.encode())
            add(digest, value[key])
    elif isinstance(value, bytes):
        digest.update(value)
    else:
        digest.update(repr(value).encode())


def run_model(rpc):
    """A model with matrix products, trained and asked."""
    digest = hashlib.sha256()
    layers = [
        {"type": "linear", "out": 300}, {"type": "batch_norm"}, {"type": "relu"},
        {"type": "linear", "out": 10},
    ]
    rpc.call(
        "session.create", session="model", layers=layers, input=64, loss="cross_entropy",
        optimizer="adam", seed=5,
    )
    random = np.random.default_rng(1)
    for _ in range(scaled(10, 2)):
        x = random.normal(size=(256, 64)).astype("f4")
        target = random.integers(0, 10, 256)
        add(digest, rpc.call("train", session="model", x=x, target=target))
        add(digest, rpc.call("infer", session="model", x=x))
        add(digest, rpc.call("evaluate", session="model", x=x, target=target))
    add(digest, rpc.call("session.export", session="model", format="safetensors"))
    return digest.hexdigest()


def run_norm(rpc, shape, convention, dtype):
    """Forward, backward and inference of one batch norm, with and without a mask."""
    digest = hashlib.sha256()
    session = f"{shape} {dtype}"
    features = shape[-1 if convention == "keras" else 1]
    layer = {"type": "batch_norm", "features": features}
    rpc.call(
        "session.create", session=session, layers=[layer], convention=convention, dtype=dtype,
        optimizer={"type": "sgd", "lr": 0.01},
    )
    random = np.random.default_rng(2)
    x = (random.normal(size=shape) * 3 + 10).astype(dtype)
    dy = random.normal(size=shape).astype(dtype)
    places = shape[:-1] if convention == "keras" else shape[:1] + shape[2:]
    for mask in ({}, {"mask": random.random(places) < 0.7}):
        forward = rpc.call("forward", session=session, x=x, **mask)
        add(digest, forward)
        add(digest, rpc.call("backward", session=session, step=forward["step"], dy=dy))
    add(digest, rpc.call("infer", session=session, x=x))
    add(digest, rpc.call("session.export", session=session, format="safetensors"))
    rpc.call("session.delete", session=session)
    return digest.hexdigest()


def run(*arguments):
    """Digests of everything by one daemon with these arguments."""
    with Daemon(*arguments) as daemon, daemon.connect() as rpc:
        digests = {"model": run_model(rpc)}
        for shape, convention in SHAPES:
            for dtype in ("float32", "float64"):
                digests[f"{shape} {dtype}"] = run_norm(rpc, shape, convention, dtype)
        return rpc.call("server.info")["instruction_set"], digests


@functools.lru_cache(maxsize=None)
def expected():
    """What one thread gives with the instruction set that the daemon chooses."""
    return run("--threads", "1")


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_bits_do_not_depend_on_the_number_of_threads(threads):
    chosen, digests = run("--threads", str(threads))
    assert (chosen, digests) == expected()


@pytest.mark.parametrize("name", ["reference", "baseline", "avx2", "avx512"])
def test_bits_do_not_depend_on_the_instruction_set(name):
    # A daemon that cannot have it says so and ends.
    probe = subprocess.Popen(
        [str(PROGRAM), "--port", "0", "--instruction-set", name],
        stderr=subprocess.PIPE, text=True,
    )
    line = ""
    for line in probe.stderr:
        if "listening on" in line:
            break
    else:
        assert probe.wait() != 0
        pytest.skip(f"this machine or build has no {name}: {line.strip()}")
    probe.terminate()
    probe.communicate()
    chosen, digests = run("--threads", "2", "--instruction-set", name)
    assert chosen == name
    assert digests == expected()[1]
