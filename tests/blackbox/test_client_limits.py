# SPDX-License-Identifier: Apache-2.0
"""What is remembered of clients is bounded, and a mutation is applied once all the same."""

import time

import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from harness.store import kill
from models import batch, classifier, norm_only
from stories import comparable, numbers

BUDGET = 300  # bytes: some answers of train, and none of session.create


def again(rpc, method, fields):
    """The answer to a retry; None when it says that it is not kept."""
    try:
        return rpc.call(method, **fields)
    except RpcError as error:
        assert error.code == "INTERNAL"
        assert error.message == "seq: this mutation was applied; its answer is not kept any more"
        return None


@pytest.mark.parametrize("how", ["memory", "same", "kill", "stop"])
def test_beyond_the_budget_the_oldest_answers_are_dropped_and_nothing_is_applied_twice(
    how, tmp_path
):
    options = ["--max-client-memory", str(BUDGET)]
    if how != "memory":
        options += ["--data-dir", str(tmp_path / "store")]
    daemon = Daemon(*options)
    rpc = daemon.connect()
    rpc.call("session.create", session="norm", **norm_only(4))
    sent = []

    def mutate(method, **fields):
        fields = {**fields, "client": "c", "seq": len(sent) + 1}
        sent.append((method, fields, rpc.call(method, **fields)))

    mutate("session.create", session="s", **classifier())
    mutate("forward", session="norm", x=numbers(1, 8, 4))
    for seed in range(20):
        x, target = batch(seed)
        mutate("train", session="s", x=x, target=target)
    if how in ("kill", "stop"):
        rpc.close()
        kill(daemon) if how == "kill" else daemon.stop()
        daemon = Daemon(*options)
        rpc = daemon.connect()
    (created, _, _), (forward, fields, stepped), *trained = sent
    assert again(rpc, created, sent[0][1]) is None
    assert comparable(rpc.call(forward, **fields)) == comparable(stepped)
    answers = [again(rpc, method, fields) for method, fields, _ in trained]
    kept = [answer is not None for answer in answers]
    assert kept == sorted(kept) and 2 <= sum(kept) <= 10
    assert all(not there or answer == first[2]
               for there, answer, first in zip(kept, answers, trained))
    # That another request came with the number is known without the answer.
    with pytest.raises(RpcError, match="SEQ_REUSED"):
        rpc.call("stats.reset", session="s", client="c", seq=3)
    assert rpc.call("session.describe", session="s")["version"] == len(trained)
    assert rpc.call("session.describe", session="norm")["version"] == 1
    mutate("stats.reset", session="s")
    assert sent[-1][2] == {"version": len(trained) + 1}
    daemon.stop()


def test_the_budget_bounds_what_server_info_tells():
    with Daemon("--max-client-memory", "4K") as daemon, daemon.connect() as rpc:
        info = rpc.call("server.info")
        assert (info["clients"], info["client_bytes"]) == (0, 0)
        sizes = []
        for n in range(20):
            rpc.call("session.create", session=f"s{n}", **classifier(), client=f"c{n}", seq=1)
            sizes.append(rpc.call("server.info")["client_bytes"])
        assert rpc.call("server.info")["clients"] == 20
        steps = [after - before for before, after in zip(sizes, sizes[1:])]
        # At first a client, its row and an answer come; in the end the answer takes another's place.
        assert 0 < steps[-1] < sizes[0] and abs(steps[-1] - steps[-2]) < 16


def test_one_client_too_many_is_told_how_many_there_are_and_which_option_to_raise():
    with Daemon("--max-clients", "2") as daemon, daemon.connect() as rpc:
        for name in ("a", "b"):
            rpc.call("session.create", session=name, **norm_only(4), client=name, seq=1)
        with pytest.raises(RpcError, match="^BUSY .*2 clients .*3600 seconds.*--max-clients 2"):
            rpc.call("stats.reset", session="a", client="c", seq=1)
        # Those that are known go on, and so do mutations without a number.
        assert rpc.call("stats.reset", session="a", client="a", seq=2) == {"version": 1}
        assert rpc.call("stats.reset", session="a") == {"version": 2}


def test_a_client_that_was_not_seen_for_so_long_makes_room():
    with Daemon("--max-clients", "1", "--client-seconds", "1") as daemon, daemon.connect() as rpc:
        rpc.call("session.create", session="s", **norm_only(4), client="a", seq=1)
        deadline = time.monotonic() + 60
        while True:
            try:
                assert rpc.call("stats.reset", session="s", client="b", seq=1) == {"version": 1}
                break
            except RpcError as error:
                assert error.code == "BUSY" and time.monotonic() < deadline
                time.sleep(0.1)
        with pytest.raises(RpcError, match="UNKNOWN_CLIENT"):
            rpc.call("stats.reset", session="s", client="a", seq=2)
        assert rpc.call("server.info")["clients"] == 1
