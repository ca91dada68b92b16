# SPDX-License-Identifier: Apache-2.0
"""Retries, numbers and deadlines: each mutation is applied once, whatever happens on the way."""

import random
import socket
import threading

import numpy as np
import pytest
from fake_daemon import FakeDaemon, error, result
from fake_ledger import CUT_AFTER, CUT_BEFORE, SILENT, FakeLedger

import normd
from normd import backoff, calls
from normd.numbers import Numbers


def first(*troubles):
    """A trouble for each of the first requests that are no hello; then none."""
    left = list(troubles)

    def trouble(request):
        return left.pop(0) if left and request[2] != "hello" else None

    return trouble


def connect(daemon, **options):
    return normd.connect(port=daemon.port, **options)


def seqs(daemon):
    return [r[3][0].get("seq") for r in daemon.requests if r[2] != "hello"]


@pytest.mark.parametrize("cut", [CUT_BEFORE, CUT_AFTER])
def test_a_mutation_whose_connection_ends_is_sent_again_and_applied_once(cut):
    with FakeLedger(first(cut, cut, cut)) as daemon, connect(daemon) as client:
        assert client.step("a").version == 1
        assert client.step("b").version == 2
        assert daemon.applied == ["a", "b"] and seqs(daemon) == [1, 1, 1, 1, 2]
        assert {r[3][0]["client"] for r in daemon.requests} == {client.name}


@pytest.mark.parametrize("code", ["BUSY", "STORE_FAILED", "SHUTTING_DOWN"])
def test_what_was_refused_for_now_is_sent_again_under_the_same_number(code):
    with FakeLedger(first(f"{code} no", f"{code} no")) as daemon, connect(daemon) as client:
        assert client.step("a").version == 1
        assert daemon.applied == ["a"] and seqs(daemon) == [1, 1, 1]
        assert daemon.connections == (3 if code == "SHUTTING_DOWN" else 1)


@pytest.mark.parametrize("trouble", [CUT_BEFORE, CUT_AFTER, "BUSY no", "SHUTTING_DOWN no"])
def test_reads_are_sent_again_and_carry_no_number(trouble):
    with FakeLedger(first(trouble)) as daemon, connect(daemon) as client:
        assert client.infer("m", [1.0]).version == 0
        assert seqs(daemon) == [None, None]


def test_a_silent_connection_is_given_up_after_the_timeout_and_the_mutation_sent_again():
    with FakeLedger(first(SILENT)) as daemon, connect(daemon, timeout=0.5) as client:
        assert client.step("a").version == 1
        assert daemon.applied == ["a"] and daemon.connections >= 2


@pytest.mark.parametrize("code", ["BAD_ARGUMENT", "NO_SUCH_SESSION", "NOT_FINITE", "INTERNAL"])
def test_other_errors_are_not_retried_and_their_number_is_the_next_mutations(code):
    with FakeLedger(first(f"{code} no")) as daemon, connect(daemon) as client:
        with pytest.raises(normd.Error) as caught:
            client.step("a")
        assert caught.value.code == code and caught.value.applied is False
        assert client.step("b").version == 1
        assert seqs(daemon) == [1, 1] and daemon.applied == ["b"]


def test_a_daemon_that_comes_back_is_found_again():
    with FakeLedger(first(None, CUT_BEFORE)) as old:
        client = connect(old)
        client.step("a")
    # Nobody listens now; the old connection ends with the next request.
    later = []
    timer = threading.Timer(0.1, lambda: later.append(old.successor()))
    timer.start()
    with client:
        assert client.step("b").version == 2
    timer.join()
    with later[0] as new:
        assert new.applied == ["a", "b"]


def test_waiting_for_a_daemon_that_is_not_there_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(normd.DeadlineExceeded, match=str(port)) as caught:
        normd.connect(port=port, deadline=0.1, wait=True)
    assert caught.value.applied is False


def test_a_unix_socket_is_reconnected_as_well(tmp_path):
    path = str(tmp_path / "s")
    with FakeLedger(first(CUT_AFTER, CUT_BEFORE)) as daemon:
        daemon.listen_unix(path)
        with normd.connect(unix=path) as client:
            assert client.step("a").version == 1
        assert daemon.applied == ["a"] and daemon.connections == 3


def test_the_deadline_says_that_a_mutation_was_not_applied(monkeypatch):
    # The deadline falls into the pause behind the first refusal, not into an attempt.
    monkeypatch.setattr(backoff, "delay", lambda failures: 1e6)
    with FakeLedger(first("BUSY no")) as daemon, connect(daemon, deadline=1) as client:
        with pytest.raises(normd.DeadlineExceeded, match="BUSY no; .*was not applied") as caught:
            client.step("a")
        assert caught.value.applied is False


def test_the_deadline_says_that_a_mutation_may_have_been_applied():
    with FakeLedger(lambda r: None if r[2] == "hello" else CUT_AFTER) as daemon:
        with connect(daemon, deadline=1) as client:
            with pytest.raises(normd.DeadlineExceeded, match="may have been applied") as caught:
                client.step("a")
            assert caught.value.applied is None
            with pytest.raises(normd.DeadlineExceeded) as caught:
                client.infer("m", [1.0])
            assert caught.value.applied is False


def test_a_call_may_have_a_deadline_of_its_own():
    with FakeLedger(lambda r: SILENT) as daemon, connect(daemon, deadline=None) as client:
        with pytest.raises(normd.DeadlineExceeded):
            client.run(calls.ping(), deadline=0.05)


def test_after_an_outcome_that_is_not_known_the_next_mutation_does_not_collide():
    with FakeLedger(first(SILENT)) as daemon, connect(daemon) as client:
        name = client.name
        with pytest.raises(normd.DeadlineExceeded):
            client.run(calls.step("a"), deadline=1)
        assert client.step("b").version == 1
        assert client.name != name and seqs(daemon) == [1, 1]


@pytest.mark.parametrize("cut, numbers", [(CUT_BEFORE, [1, 1]), (CUT_AFTER, [1, 2])])
def test_a_named_client_asks_where_it_stands_after_an_unknown_outcome(cut, numbers):
    troubles = iter([cut])
    with FakeLedger() as daemon, connect(daemon, client="trainer-7") as client:
        greeted = []

        def trouble(request):
            if request[2] == "hello":
                # The way back is blocked until the deadline is over.
                greeted.append(request)
                return None
            return next(troubles, None)

        daemon.trouble = trouble
        client._exchange._address = _Once(client._exchange._address)
        with pytest.raises(normd.DeadlineExceeded) as caught:
            client.run(calls.step("a"), deadline=1)
        assert caught.value.applied is None
        client._exchange._address.blocked = False
        client.step("b")
        assert client.name == "trainer-7" and seqs(daemon) == numbers and len(greeted) == 2


class _Once:
    """An address that does not answer while it is blocked."""

    def __init__(self, address):
        self.address = address
        self.blocked = True

    def dial(self, timeout):
        from normd.connection import Broken

        if self.blocked:
            raise Broken("no connection: blocked")
        return self.address.dial(timeout)


def test_a_named_client_goes_on_where_its_predecessor_stopped():
    with FakeLedger() as daemon:
        for session in ("a", "b", "c"):
            with connect(daemon, client="trainer-7") as client:
                client.step(session)
        assert seqs(daemon) == [1, 2, 3] and daemon.applied == ["a", "b", "c"]


def test_a_daemon_that_lost_its_memory_is_an_error_and_never_a_second_run():
    with FakeLedger() as daemon, connect(daemon) as client:
        client.step("a")
        left = [True]

        def trouble(request):
            if request[2] != "hello" and left:
                left.clear()
                daemon.rows.clear()
                daemon.last.clear()
                return CUT_BEFORE
            return None

        daemon.trouble = trouble
        with pytest.raises(normd.UnknownClient) as caught:
            client.step("b")
        assert caught.value.applied is None and daemon.applied == ["a"]
        assert client.step("c").version == 2
        assert daemon.applied == ["a", "c"]


def test_without_numbers_a_mutation_that_may_have_been_applied_is_not_sent_again():
    def answer(request):
        return None if request[2] == "step" else result(request, "pong")

    with FakeDaemon(answer) as daemon:
        # Either the daemon does not count, or the caller does not want it.
        for exactly_once in (True, False):
            with connect(daemon, exactly_once=exactly_once) as client:
                with pytest.raises(normd.ConnectionLost, match="may have been applied") as caught:
                    client.step("a")
                assert caught.value.applied is None
                assert client.ping() == "pong"
        assert [request[2] for request in daemon.requests] == ["step", "ping"] * 2
        assert all("seq" not in request[3][0] for request in daemon.requests)


def test_without_numbers_a_refusal_for_now_is_still_tried_again():
    answers = iter(["BUSY no", "STORE_FAILED no"])

    def answer(request):
        refusal = next(answers, None)
        return error(request, refusal) if refusal else result(request, {"version": 5})

    with FakeDaemon(answer) as daemon, connect(daemon, exactly_once=False) as client:
        assert client.step("a").version == 5


@pytest.mark.parametrize("cut", [CUT_BEFORE, CUT_AFTER])
@pytest.mark.parametrize("at", [0, 3, 9])
def test_a_pipeline_is_sent_again_in_its_order(cut, at):
    with FakeLedger(first(*[None] * at, cut)) as daemon, connect(daemon) as client:
        with client.pipeline() as pipeline:
            futures = [pipeline.step(f"{n}") for n in range(10)]
        assert [future.result().version for future in futures] == list(range(1, 11))
        assert daemon.applied == [str(n) for n in range(10)]


def test_a_pipeline_goes_on_behind_a_mutation_that_is_refused():
    with FakeLedger() as daemon, connect(daemon) as client:
        names = ["0", "1", "bad", "3", "4", "bad", "6"]
        with pytest.raises(normd.BadArgument):
            with client.pipeline() as pipeline:
                futures = [pipeline.step(name) for name in names]
        assert daemon.applied == ["0", "1", "3", "4", "6"]
        assert [f.result().version for f, n in zip(futures, names) if n != "bad"] == [1, 2, 3, 4, 5]
        assert client.step("last").version == 6
        assert daemon.last[client.name] == 6


def test_a_pipeline_keeps_its_order_when_one_is_refused_for_now():
    with FakeLedger(first(None, "BUSY no", None, None)) as daemon, connect(daemon) as client:
        with client.pipeline() as pipeline:
            for n in range(5):
                pipeline.step(str(n))
        assert daemon.applied == ["0", "1", "2", "3", "4"]


def test_no_more_mutations_are_in_flight_than_the_daemon_remembers():
    with FakeLedger() as daemon, connect(daemon) as client:
        left = [True]
        held = []

        def trouble(request):
            held.append(request)
            # Everything is applied and nothing is answered, until the connection ends.
            if left and len(held) == 64:
                left.clear()
                return CUT_AFTER
            return None

        daemon.trouble = trouble
        with client.pipeline() as pipeline:
            for n in range(300):
                pipeline.step(str(n))
        assert daemon.applied == [str(n) for n in range(300)]


def test_what_was_submitted_is_sent_again_as_it_was():
    x = np.zeros(1 << 16, "f4")
    sums = []

    def answer(request):
        sums.append(np.frombuffer(request[3][0]["x"]["data"], "f4").sum())
        return None if len(sums) == 1 else result(request, {"version": 0, "y": 0})

    with FakeDaemon(answer) as daemon, connect(daemon) as client:
        future = client.submit(calls.infer("m", x))
        x += 1
        future.result()
    assert sums == [0, 0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("pipelined", [False, True])
def test_every_mutation_is_applied_once_under_random_trouble(seed, pipelined):
    chance = random.Random(seed)
    refusals = ["BUSY no", "STORE_FAILED no", "SHUTTING_DOWN no"]
    troubles = [CUT_BEFORE, CUT_AFTER, *(refusals if not pipelined else [])]

    def trouble(request):
        return chance.choice(troubles) if chance.random() < 0.1 else None

    with FakeLedger(trouble) as daemon, connect(daemon) as client:
        names = [f"bad{n}" if n % 17 == 5 and not pipelined else str(n) for n in range(100)]
        pipeline = client.pipeline()
        versions = []
        for name in names:
            try:
                step = pipeline.step(name) if pipelined else client.step(name)
                versions.append(step)
            except normd.BadArgument:
                assert name.startswith("bad")
        if pipelined:
            versions = [future.result() for future in versions]
    good = [name for name in names if not name.startswith("bad")]
    assert daemon.applied == good
    assert [step.version for step in versions] == list(range(1, len(good) + 1))


def test_names_have_1_to_128_bytes():
    for name in ("", "x" * 129, "ä" * 65):
        with pytest.raises(ValueError, match="client: expected 1 to 128 bytes"):
            normd.connect(client=name)
    assert Numbers("ä" * 64).name == "ä" * 64
    assert Numbers(None).name.startswith("py-") and Numbers(None).name != Numbers(None).name


def test_numbers_given_back_are_taken_first():
    numbers = Numbers("a")
    assert [numbers.take() for _ in range(5)] == [1, 2, 3, 4, 5]
    numbers.give_back(3)
    assert numbers.holes and numbers.take() == 3 and not numbers.holes
    for number in (2, 4, 5):
        numbers.give_back(number)
    assert [numbers.take() for _ in range(3)] == [2, 4, 5]
    for number in (5, 4, 3, 2, 1):
        numbers.give_back(number)
    assert not numbers.holes and numbers.take() == 1


def test_the_back_off_doubles_up_to_its_bound_and_is_jittered():
    for failures in (1, 2, 5, 8, 50, 10**6):
        bound = min(2.0, 0.02 * 2.0 ** min(failures - 1, 30))
        delays = [backoff.delay(failures) for _ in range(200)]
        assert 0 <= min(delays) and max(delays) <= bound
        # Of 200 draws none in the upper half: a chance of 2^-200.
        assert max(delays) > bound / 2
