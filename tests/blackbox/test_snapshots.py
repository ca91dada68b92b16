# SPDX-License-Identifier: Apache-2.0
"""Reading while training goes on: each answer is that of one whole step, and says of which."""

import threading

import numpy as np
from harness.scale import scaled
from models import batch, classifier

STEPS = scaled(300, 30)
READERS = 4


def read_until(daemon, name, stop, answers, failures, ask):
    """Asks again and again; keeps every answer."""
    try:
        with daemon.connect() as rpc:
            while not stop.is_set():
                answers.append(ask(rpc, name))
    except Exception as error:  # noqa: BLE001 - shown by the test
        failures.append(error)


def ask_infer(rpc, name):
    x, _ = batch(1000)
    return rpc.call("infer", session=name, x=x)


def ask_evaluate(rpc, name):
    x, target = batch(1000)
    return rpc.call("evaluate", session=name, x=x, target=target)


def ask_export(rpc, name):
    return rpc.call("session.export", session=name, format="safetensors")


def ask_stats(rpc, name):
    return rpc.call("stats", session=name)


ASKS = [ask_infer, ask_evaluate, ask_export, ask_stats]


def same(a, b):
    """Whether two answers are equal to the last bit."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


def test_every_answer_during_training_is_that_of_its_version(daemon, rpc, name):
    rpc.call("session.create", session=name, **classifier())
    stop = threading.Event()
    failures = []
    kept = [(ask, []) for ask in ASKS for _ in range(READERS // 2)]
    readers = [
        threading.Thread(target=read_until, args=(daemon, name, stop, answers, failures, ask))
        for ask, answers in kept
    ]
    for reader in readers:
        reader.start()
    # All in flight at once: the readers meet a session that is always being trained.
    for seed in range(STEPS):
        x, target = batch(seed)
        rpc.send("train", session=name, x=x, target=target)
    for _ in range(STEPS):
        assert rpc.receive()[2] is None
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures, failures[0]

    # The same steps again, with every question asked after each.
    again = f"{name}-again"
    rpc.call("session.create", session=again, **classifier())
    expected = {ask: [ask(rpc, again)] for ask in ASKS}
    for seed in range(STEPS):
        x, target = batch(seed)
        rpc.call("train", session=again, x=x, target=target)
        for ask in ASKS:
            expected[ask].append(ask(rpc, again))
    for ask, answers in kept:
        versions = [answer["version"] for answer in answers]
        assert versions == sorted(versions), f"{ask.__name__}: a version went back"
        for answer in answers:
            want = expected[ask][answer["version"]]
            assert same(answer, want), f"{ask.__name__} of version {answer['version']}"


def test_who_was_answered_sees_that_version_or_a_later_one(daemon, rpc, name):
    """An answer of train is a promise: a reader on any connection sees it from then on."""
    rpc.call("session.create", session=name, **classifier())
    with daemon.connect() as reader:
        for seed in range(scaled(200, 20)):
            x, target = batch(seed)
            version = rpc.call("train", session=name, x=x, target=target)["version"]
            assert reader.call("infer", session=name, x=x)["version"] == version
