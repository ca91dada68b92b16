# SPDX-License-Identifier: Apache-2.0
"""A mutation with client and seq is applied once and answered alike each time."""

import threading

import numpy as np
import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from harness.store import kill
from models import batch, classifier, norm_only
from stories import comparable, numbers

WINDOW = 64
# Where mutations are kept, and how their retry comes.
WAYS = ["memory-same", "memory-other", "store-same", "store-other", "store-kill", "store-stop"]


class Place:
    """A daemon, in memory or with a data directory, and how one comes back to it."""

    def __init__(self, path, way):
        kept, self.how = way.split("-")
        self.options = ["--data-dir", str(path)] if kept == "store" else []
        self.daemon = Daemon(*self.options)
        self.rpc = self.daemon.connect()

    def come_back(self):
        """By the same connection, another one, or a restart."""
        if self.how == "same":
            return self.rpc
        self.rpc.close()
        if self.how == "kill":
            kill(self.daemon)
            self.daemon = Daemon(*self.options)
        elif self.how == "stop":
            self.daemon.stop()
            self.daemon = Daemon(*self.options)
        self.rpc = self.daemon.connect()
        return self.rpc


@pytest.fixture(params=WAYS)
def place(request, tmp_path):
    """Each of the ways."""
    made = Place(tmp_path / "store", request.param)
    yield made
    made.daemon.stop()


@pytest.fixture(params=["memory-other", "store-other"])
def live(request, tmp_path):
    """A daemon that is not restarted."""
    made = Place(tmp_path / "store", request.param)
    yield made
    made.daemon.stop()


class Client:
    """Mutations of one client, numbered; `rpc` may change."""

    def __init__(self, name, rpc):
        self.name = name
        self.rpc = rpc
        self.seq = 0
        self.sent = []

    def do(self, method, **fields):
        """The next mutation."""
        self.seq += 1
        fields = {**fields, "client": self.name, "seq": self.seq}
        answer = self.rpc.call(method, **fields)
        self.sent.append((method, fields, answer))
        return answer


def bits(value):
    """An answer as what can be compared, its step number included."""
    if isinstance(value, dict) and "step" in value:
        return [value["step"], comparable(value)]
    return comparable(value)


def code_of(rpc, method, **fields):
    """The code of the error that the request must be."""
    with pytest.raises(RpcError) as caught:
        rpc.call(method, **fields)
    return caught.value.code


def require_same(rpc, sent):
    """A retry is answered as the first time."""
    method, fields, answer = sent
    assert bits(rpc.call(method, **fields)) == bits(answer), method


def norm_step(client, session, seed):
    """A forward and its backward."""
    x = numbers(seed, 8, 4)
    step = client.do("forward", session=session, x=x)["step"]
    client.do("backward", session=session, step=step, dy=numbers(seed + 1, 8, 4))


def every_mutation(client):
    """One of each kind at least."""
    x, target = batch(0)
    client.do("session.create", session="a", **classifier(optimizer={"type": "sgd", "lr": 0.1}))
    client.do("train", session="a", x=x, target=target)
    client.do("optimizer.set", session="a", lr=0.05)
    client.do("stats.freeze", session="a")
    client.do("stats.thaw", session="a")
    client.do("stats.recalibrate", session="a", x=x, finish=False)
    client.do("stats.recalibrate", session="a", finish=True)
    client.do("stats.reset", session="a")
    client.do("session.convert", session="a", convention="keras")
    client.do("session.copy", session="a", to="b")
    client.do("session.copy", session="a", to="b", if_exists="replace")
    file = client.rpc.call("session.export", session="a", format="safetensors")["data"]
    client.do("session.import", session="a", data=file)
    client.do("session.import", session="c", data=file)
    client.do("session.delete", session="b")
    client.do("session.create", session="b", **norm_only(4))
    client.do("session.create", session="b", **norm_only(4), if_exists="ok")
    client.do("session.create", session="b", **norm_only(4), if_exists="replace")
    norm_step(client, "b", 5)
    step = client.do("forward", session="b", x=numbers(9, 8, 4), update_stats=False)["step"]
    client.do("backward", session="b", step=step, dy=numbers(8, 8, 4), apply=False)
    client.do("step", session="b")
    client.do("session.delete", session="c")


def versions(rpc):
    """Of all sessions."""
    names = rpc.call("session.list")["sessions"]
    return {name: rpc.call("session.describe", session=name)["version"] for name in names}


def test_every_mutation_is_answered_as_the_first_time(place):
    client = Client("client", place.rpc)
    every_mutation(client)
    before = versions(place.rpc)
    rpc = place.come_back()
    for sent in client.sent:
        require_same(rpc, sent)
    assert versions(rpc) == before
    assert rpc.call("hello", client="client")["seq"] == client.seq


def test_each_mutation_may_be_retried_before_the_next(place):
    client = Client("client", place.rpc)
    do = client.do

    def do_twice(method, **fields):
        answer = do(method, **fields)
        client.rpc = place.come_back()
        require_same(client.rpc, client.sent[-1])
        return answer

    client.do = do_twice
    every_mutation(client)
    for sent in client.sent:
        require_same(client.rpc, sent)


def test_answers_stay_while_others_change_the_same_session(place):
    client = Client("client", place.rpc)
    client.do("session.create", session="n", **norm_only(4))
    norm_step(client, "n", 1)
    step = client.do("forward", session="n", x=numbers(3, 8, 4))["step"]
    for seed in range(40):
        if seed % 2 == 0:
            place.rpc.call("forward", session="n", x=numbers(seed, 8, 4))
        else:
            other = Client(f"other {seed}", place.rpc)
            other.do("stats.reset", session="n")
    before = versions(place.rpc)
    rpc = place.come_back()
    for sent in client.sent:
        require_same(rpc, sent)
    assert versions(rpc) == before
    client.rpc = rpc
    client.do("backward", session="n", step=step, dy=numbers(4, 8, 4))
    require_same(rpc, client.sent[-1])


def test_the_window(place):
    rpc = place.rpc
    rpc.call("session.create", session="w", **norm_only(4))
    step = {"session": "w", "client": "c"}
    assert code_of(rpc, "stats.reset", **step, seq=2) == "UNKNOWN_CLIENT"
    for seq in range(1, WINDOW + 3):
        assert rpc.call("stats.reset", **step, seq=seq)["version"] == seq
    rpc = place.come_back()
    last = WINDOW + 2
    assert rpc.call("hello", client="c")["seq"] == last
    assert rpc.call("hello", client="another")["seq"] == 0
    assert code_of(rpc, "stats.reset", **step, seq=2) == "SEQ_TOO_OLD"
    assert code_of(rpc, "stats.reset", **step, seq=1) == "SEQ_TOO_OLD"
    for seq in range(3, last + 1):
        assert rpc.call("stats.reset", **step, seq=seq)["version"] == seq
    assert code_of(rpc, "stats.reset", **step, seq=last + 2) == "SEQ_GAP"
    assert code_of(rpc, "stats.freeze", **step, seq=last) == "SEQ_REUSED"
    assert rpc.call("stats.reset", **step, seq=last + 1)["version"] == last + 1


def test_other_bytes_are_not_a_retry(place):
    rpc = place.rpc
    small, large = numbers(1, 8, 4), numbers(2, 2048, 4)
    rpc.call("session.create", session="w", **norm_only(4))
    for seq, x in enumerate([small, large], 1):
        rpc.call("forward", session="w", client="c", seq=seq, x=x)
    rpc = place.come_back()
    for seq, x in enumerate([small, large], 1):
        other = x.copy()
        other[-1, -1] += 1
        same = {"session": "w", "client": "c", "seq": seq}
        assert code_of(rpc, "forward", **same, x=other) == "SEQ_REUSED"
        assert code_of(rpc, "forward", **same, x=x, update_stats=True) == "SEQ_REUSED"
        assert code_of(rpc, "forward", **same, x=x.reshape(4, -1)) == "SEQ_REUSED"
        assert code_of(rpc, "stats.reset", **same) == "SEQ_REUSED"
        assert code_of(rpc, "train", **same, x=x, target=np.zeros(8, int)) == "SEQ_REUSED"
        assert rpc.call("forward", **same, x=x)["version"] == seq


def test_a_mutation_that_fails_does_not_use_its_number_up(place):
    rpc = place.rpc
    rpc.call("session.create", session="w", **norm_only(4))
    me = {"session": "w", "client": "c"}
    assert code_of(rpc, "forward", **me, seq=1, x=numbers(1, 8, 3)) == "BAD_SHAPE"
    x = numbers(1, 8, 4)
    assert code_of(rpc, "train", **me, seq=1, x=x, target=x) == "BAD_ARGUMENT"
    assert code_of(rpc, "stats.reset", session="none", client="c", seq=1) == "NO_SUCH_SESSION"
    assert code_of(rpc, "stats.reset", **me, seq=1, nonsense=1) == "BAD_ARGUMENT"
    assert rpc.call("hello", client="c")["seq"] == 0
    assert rpc.call("stats.reset", **me, seq=1) == {"version": 1}


def test_a_hole_may_be_filled(place):
    rpc = place.rpc
    rpc.call("session.create", session="w", **norm_only(4))
    me = {"session": "w", "client": "c"}
    rpc.call("stats.reset", **me, seq=1)
    # 2 fails, 3 does not; unless 2 was over before 3 was read, which is tried again.
    for _ in range(1000):
        bad = rpc.request("forward", {**me, "seq": 2, "x": numbers(1, 8, 3)})
        rpc.send_raw(bad + rpc.request("stats.reset", {**me, "seq": 3}))
        answers = sorted([rpc.receive(), rpc.receive()], key=lambda message: message[1])
        assert answers[0][2].startswith("BAD_SHAPE")
        if answers[1][2] is None:
            break
        assert answers[1][2].startswith("SEQ_GAP")
    assert answers[1][3] == {"version": 2}
    rpc = place.come_back()
    assert rpc.call("hello", client="c")["seq"] == 3
    assert rpc.call("stats.reset", **me, seq=3) == {"version": 2}
    assert rpc.call("stats.freeze", **me, seq=2) == {"version": 3}
    assert code_of(rpc, "stats.reset", **me, seq=2) == "SEQ_REUSED"
    rpc = place.come_back()
    assert rpc.call("stats.freeze", **me, seq=2) == {"version": 3}
    assert rpc.call("stats.reset", **me, seq=4) == {"version": 4}


def test_a_memory_that_ended_knows_no_client_and_a_store_does(tmp_path):
    for options, known in ([], False), (["--data-dir", str(tmp_path / "s")], True):
        with Daemon(*options) as daemon, daemon.connect() as rpc:
            rpc.call("session.create", session="w", **norm_only(4), client="c", seq=1)
        with Daemon(*options) as daemon, daemon.connect() as rpc:
            create = {"session": "w", **norm_only(4), "client": "c"}
            assert rpc.call("hello", client="c")["seq"] == int(known)
            if known:
                assert rpc.call("session.create", **create, seq=1)["created"]
                assert rpc.call("session.list") == {"sessions": ["w"]}
            else:
                assert code_of(rpc, "session.create", **create, seq=2) == "UNKNOWN_CLIENT"
                assert rpc.call("session.list") == {"sessions": []}


def test_the_same_mutation_on_many_connections_at_a_time_is_applied_once(live):
    rpc = live.rpc
    layers = [{"type": "linear", "out": 512}, {"type": "linear", "out": 3}]
    rpc.call("session.create", session="w", **classifier(layers=layers))
    x, target = batch(1, 4096)
    connections = [live.daemon.connect() for _ in range(4)]
    for seq in range(1, 6):
        requests = [
            connection.request("train", {
                "session": "w", "x": x, "target": target, "client": "c", "seq": seq})
            for connection in connections
        ]
        senders = [
            threading.Thread(target=connection.send_raw, args=(request,))
            for connection, request in zip(connections, requests)
        ]
        for sender in senders:
            sender.start()
        answers = [connection.answer() for connection in connections]
        for sender in senders:
            sender.join()
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["version"] == seq
    for connection in connections:
        connection.close()
    assert versions(rpc) == {"w": 5}


@pytest.mark.parametrize("failing", [False, True])
def test_those_that_wait_are_answered_in_full(live, failing):
    """Waiters behind a forward under way; when it fails, they fail by themselves."""
    rpc = live.rpc
    rpc.call("session.create", session="w", **norm_only(64))
    x = numbers(3, 4096, 64)
    if failing:
        x[7, 7] = np.nan
    for _ in range(8):
        rpc.send("forward", session="w", x=x, client="c", seq=1)
    messages = [rpc.receive() for _ in range(8)]
    if failing:
        assert {message[2].split()[0] for message in messages} == {"NOT_FINITE"}
        assert rpc.call("hello", client="c")["seq"] == 0
        assert versions(rpc) == {"w": 0}
    else:
        assert all(bits(message[3]) == bits(messages[0][3]) for message in messages)
        assert versions(rpc) == {"w": 1}


def test_waiters_that_cannot_be_read_hold_nothing_of_what_came(live):
    """While a mutation runs, other large requests come with its number, for no session."""
    rpc = live.rpc
    rpc.call("session.create", session="w", **norm_only(64))
    x = numbers(3, 2048, 64)
    rpc.send("forward", session="w", x=x, client="c", seq=1)
    for _ in range(4):
        rpc.send("forward", session="none", x=x, client="c", seq=1)
    messages = sorted((rpc.receive() for _ in range(5)), key=lambda message: message[1])
    assert messages[0][3]["version"] == 1
    assert {m[2].split()[0] for m in messages[1:]} == {"SEQ_REUSED"}


def test_as_many_as_the_window_holds_may_be_under_way(live):
    rpc = live.rpc
    layers = [{"type": "linear", "out": 512}, {"type": "linear", "out": 3}]
    rpc.call("session.create", session="w", **classifier(layers=layers))
    x, target = batch(1, 4096)
    small, labels = batch(2)
    first = rpc.send("train", session="w", x=x, target=target, client="c", seq=1)
    for seq in range(2, WINDOW + 2):
        rpc.send("train", session="w", x=small, target=labels, client="c", seq=seq)
    messages = {}
    for _ in range(WINDOW + 1):
        message = rpc.receive()
        messages[message[1] - first + 1] = message
    for seq in range(1, WINDOW + 1):
        assert messages[seq][3]["version"] == seq
    late = messages[WINDOW + 1]
    # The first is as long as it takes; if it was done by then, this one was applied.
    assert late[2] is None or late[2].startswith("BUSY")
    if late[2] is not None:
        answer = rpc.call("train", session="w", x=small, target=labels, client="c", seq=WINDOW + 1)
        assert answer["version"] == WINDOW + 1


def test_a_retry_to_a_session_that_is_gone_says_that_it_was_applied(place):
    rpc = place.rpc
    rpc.call("session.create", session="w", **norm_only(4))
    x = numbers(1, 8, 4)
    me = {"session": "w", "client": "c"}
    step = rpc.call("forward", **me, seq=1, x=x)["step"]
    rpc.call("backward", **me, seq=2, step=step, dy=x)
    rpc.call("stats.reset", **me, seq=3)
    rpc.call("session.delete", session="w")
    rpc = place.come_back()
    assert code_of(rpc, "forward", **me, seq=1, x=x) == "CONTEXT_LOST"
    assert code_of(rpc, "backward", **me, seq=2, step=step, dy=x) == "CONTEXT_LOST"
    assert code_of(rpc, "forward", **me, seq=1, x=x + 1) == "SEQ_REUSED"
    assert rpc.call("stats.reset", **me, seq=3) == {"version": 3}
    # Nor is another session of that name meant.
    rpc.call("session.create", session="w", **norm_only(4))
    assert code_of(rpc, "forward", **me, seq=1, x=x) == "CONTEXT_LOST"
    assert code_of(rpc, "backward", **me, seq=2, step=step, dy=x) == "CONTEXT_LOST"
    assert code_of(rpc, "backward", **me, seq=2, step=step, dy=x + 1) == "SEQ_REUSED"
    assert rpc.call("session.describe", session="w")["version"] == 0


def test_names_of_clients_may_be_any_text(place):
    rpc = place.rpc
    names = ["c", "cc", "\u00fc\u4e2d\U0001f600", "a/../b", "n" * 128]
    for count, name in enumerate(names):
        rpc.call("session.create", session=f"s{count}", **norm_only(4), client=name, seq=1)
    for name in ["", "n" * 129]:
        assert code_of(rpc, "stats.reset", session="s0", client=name, seq=1) == "BAD_ARGUMENT"
    for fields in {"client": "c"}, {"seq": 1}, {"client": "c", "seq": 0}:
        assert code_of(rpc, "stats.reset", session="s0", **fields) == "BAD_ARGUMENT"
    x = numbers(1, 2, 4)
    assert code_of(rpc, "infer", session="s0", x=x, client="c", seq=2) == "BAD_ARGUMENT"
    rpc = place.come_back()
    assert [rpc.call("hello", client=name)["seq"] for name in names] == [1] * len(names)
    assert rpc.call("server.info")["clients"] == len(names)


def test_a_notification_is_applied_once_as_well(place):
    rpc = place.rpc
    rpc.call("session.create", session="w", **norm_only(4))
    fields = {b"session": "w", b"client": "c", b"seq": 1}
    for _ in range(3):
        rpc.send_raw(rpc.pack([2, "stats.reset", [fields]]))
    rpc.call("stats.reset", session="w", client="c", seq=2)
    rpc = place.come_back()
    assert rpc.call("stats.reset", session="w", client="c", seq=1) == {"version": 1}
    assert versions(rpc) == {"w": 2}
