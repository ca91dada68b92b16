# SPDX-License-Identifier: Apache-2.0
"""64 connections train one session at once: nothing is lost, and the versions tell the order."""

import threading

import numpy as np
from harness.scale import scaled
from models import batch, classifier

CONNECTIONS = 64
STEPS = scaled(200, 5)


def train_all(daemon, name):
    """Every connection sends its batches; gives (version, seed of the batch) of every answer."""
    answers = []
    failures = []
    start = threading.Barrier(CONNECTIONS)

    def work(number):
        try:
            with daemon.connect() as rpc:
                start.wait()
                for step in range(STEPS):
                    seed = number * STEPS + step
                    x, target = batch(seed, rows=4)
                    answer = rpc.call("train", session=name, x=x, target=target)
                    answers.append((answer["version"], seed))
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return answers


def test_64_connections_train_one_session_as_one_would_in_the_order_of_versions(
    daemon, rpc, name
):
    rpc.call("session.create", session=name, **classifier())
    answers = train_all(daemon, name)
    steps = CONNECTIONS * STEPS
    assert sorted(version for version, _ in answers) == list(range(1, steps + 1))
    (layer,) = rpc.call("stats", session=name)["layers"]
    assert layer["num_batches_tracked"] == steps

    again = f"{name}-again"
    rpc.call("session.create", session=again, **classifier())
    for version, seed in sorted(answers):
        x, target = batch(seed, rows=4)
        assert rpc.call("train", session=again, x=x, target=target)["version"] == version
    first, second = (
        rpc.call("session.export", session=s, format="safetensors") for s in (name, again)
    )
    assert first["version"] == second["version"] == steps
    assert first["data"] == second["data"]


def test_sessions_side_by_side_do_not_touch_each_other(daemon, rpc, name):
    """What a session becomes does not depend on what others do meanwhile."""
    count, steps = 8, scaled(50, 5)
    results = {}

    def work(number):
        with daemon.connect() as own:
            session = f"{name}-{number}"
            own.call("session.create", session=session, **classifier())
            for step in range(steps):
                x, target = batch(step)
                own.call("train", session=session, x=x, target=target)
            answer = own.call("session.export", session=session, format="safetensors")
            results[number] = answer["data"]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    assert all(data == results[0] for data in results.values())


def test_creating_one_name_from_many_connections_makes_one_session(daemon, name):
    outcomes = []
    start = threading.Barrier(16)

    def work():
        with daemon.connect() as own:
            start.wait()
            own.send("session.create", session=name, **classifier())
            outcomes.append(own.receive()[2])

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 16 and outcomes.count(None) == 1
    assert all(o is None or o.startswith("SESSION_EXISTS") for o in outcomes)


def test_creating_and_deleting_while_others_train_gives_answers_of_one_state(daemon, name):
    """Under any interleaving each train is done in some session of that name or refused."""
    rounds = scaled(100, 10)
    strange = []
    stop = threading.Event()

    def train():
        x, target = batch(0)
        with daemon.connect() as own:
            while not stop.is_set():
                own.send("train", session=name, x=x, target=target)
                error = own.receive()[2]
                if error is not None and not error.startswith("NO_SUCH_SESSION"):
                    strange.append(error)

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with daemon.connect() as own:
            for _ in range(rounds):
                assert own.call("session.create", session=name, **classifier())["created"]
                x, _ = batch(1)
                assert np.isfinite(own.call("infer", session=name, x=x)["y"]).all()
                own.call("session.delete", session=name)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not strange, strange[0]
