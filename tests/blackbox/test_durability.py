# SPDX-License-Identifier: Apache-2.0
"""A data directory: what was answered is there after a crash and after a stop, to the bit."""

import re
import threading
import time

import numpy as np
import pytest
from harness.daemon import DEADLINE_SECONDS, Daemon
from harness.rpc import RpcError
from harness.store import check, files_of, kill, start_that_fails
from models import batch, classifier, norm_only
from stories import STORIES, comparable, do, numbers, state

MODES = ["always", "everysec", "no"]


@pytest.fixture(scope="module")
def told(daemon):
    """Each story as a daemon tells it that is never interrupted: answers, and states after each."""
    known = {}

    def tell(story):
        if story not in known:
            answers, states = [], []
            with daemon.connect() as rpc:
                for step in STORIES[story]():
                    do(rpc, step, answers)
                    states.append(state(rpc, story))
            known[story] = (answers, states)
        return known[story]

    return tell


class Store:
    """A data directory with one daemon after another on it."""

    def __init__(self, path, *options):
        self.path = path
        self.options = options
        self.daemon = None
        self.rpc = None

    def start(self, *options):
        """A daemon on the directory, and a connection to it."""
        self.daemon = Daemon("--data-dir", str(self.path), *self.options, *options)
        self.rpc = self.daemon.connect()
        return self.rpc

    def kill(self):
        """The end without warning."""
        kill(self.daemon)

    def end(self, how):
        """A crash or a stop."""
        if how == "kill":
            self.kill()
        else:
            self.daemon.stop()


@pytest.fixture
def store(tmp_path):
    """A store on an empty place; what runs at the end is stopped well."""
    made = Store(tmp_path / "store")
    yield made
    if made.daemon is not None and made.daemon.process.poll() is None:
        made.daemon.stop()


def done_again(daemon):
    """How many requests the recovery did again, by its log."""
    (count,) = re.findall(r"(\d+) of them done again", "".join(daemon.log))
    return int(count)


@pytest.mark.parametrize("story", STORIES)
def test_a_crash_behind_any_step_loses_nothing(store, told, story):
    expected, states = told(story)
    answers = []
    for i, step in enumerate(STORIES[story]()):
        rpc = store.start("--fsync", MODES[i % 3])
        do(rpc, step, answers)
        assert comparable(answers[i]) == comparable(expected[i]), (i, step[0])
        assert state(rpc, story) == states[i], (i, step[0])
        store.kill()
    rpc = store.start()
    assert state(rpc, story) == states[-1]


def wait_for_a_checkpoint(rpc):
    """One is due; it is written beside all else."""
    until = time.monotonic() + DEADLINE_SECONDS
    while rpc.call("server.info")["store"]["checkpoints"] == 0:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("end", ["kill", "stop"])
@pytest.mark.parametrize("journal", ["64K", "256M"])
def test_all_at_once_with_many_checkpoints_or_none(store, told, mode, end, journal):
    """The stories side by side; the end comes four times, once behind nothing at all."""
    options = ["--fsync", mode, "--journal-bytes", journal]
    rpc = store.start(*options)
    told_here = {story: [] for story in STORIES}
    for i in range(max(len(steps()) for steps in STORIES.values())):
        if i in (3, 6, 9):
            if journal == "64K" and i == 3:
                wait_for_a_checkpoint(rpc)
            store.end(end)
            rpc = store.start(*options)
        for story, steps in STORIES.items():
            if i < len(steps()):
                do(rpc, steps()[i], told_here[story])
    for _ in range(2):
        store.end(end)
        rpc = store.start(*options)
        for story in STORIES:
            expected, states = told(story)
            assert comparable(told_here[story]) == comparable(expected), story
            assert state(rpc, story) == states[-1], story


def test_what_is_large_beside_its_batch_is_done_again(store, told):
    rpc = store.start("--fsync", "no")
    answers = []
    for step in STORIES["wide"]():
        do(rpc, step, answers)
    state_bytes = len(rpc.call("session.export", session="wide", format="safetensors")["data"])
    written = rpc.call("server.info")["store"]["journal_bytes"]
    # At most one whole state, that of the beginning.
    assert written < 1.5 * state_bytes
    store.kill()
    rpc = store.start()
    assert done_again(store.daemon) == len(answers) - 1
    assert state(rpc, "wide") == told("wide")[1][-1]
    store.daemon.stop()
    store.start()
    assert done_again(store.daemon) == 0


def test_a_step_goes_on_over_crashes_from_the_journal_and_from_the_base(store):
    """Forward steps with client and seq; some are in the base when the crash comes."""
    rpc = store.start()
    norm = norm_only(4, optimizer={"type": "sgd", "lr": 0.1})
    rpc.call("session.create", session="s", **norm)
    with Daemon() as whole, whole.connect() as other:
        other.call("session.create", session="s", **norm)
        steps = []
        for seed in range(6):
            x = numbers(seed, 8, 4)
            once = {"client": "c", "seq": seed + 1}
            answer = rpc.call("forward", session="s", x=x, **once)
            steps.append((answer["step"], other.call("forward", session="s", x=x)["step"]))
            if seed == 2:
                store.daemon.stop()
                rpc = store.start()
            elif seed == 4:
                store.kill()
                rpc = store.start()
        assert len({here for here, _ in steps}) == len(steps)
        for seed, (here, there) in enumerate(steps):
            dy = numbers(seed + 100, 8, 4)
            once = {"client": "c", "seq": seed + 7}
            got = rpc.call("backward", session="s", step=here, dy=dy, **once)
            want = other.call("backward", session="s", step=there, dy=dy)
            assert comparable(got) == comparable(want)
            if seed % 2:
                store.kill()
                rpc = store.start()
            # The step is used up, also after a crash.
            with pytest.raises(RpcError, match="CONTEXT_LOST"):
                rpc.call("backward", session="s", step=here, dy=dy)
        assert state(rpc, "s") == state(other, "s")


def test_a_forward_without_a_number_leaves_its_statistics_and_may_lose_its_step(store):
    rpc = store.start()
    rpc.call("session.create", session="s", **norm_only(4))
    x = numbers(1, 8, 4)
    step = rpc.call("forward", session="s", x=x)["step"]
    before = state(rpc, "s")
    store.kill()
    rpc = store.start()
    assert state(rpc, "s") == before
    with pytest.raises(RpcError, match="CONTEXT_LOST"):
        rpc.call("backward", session="s", step=step, dy=x)
    assert rpc.call("forward", session="s", x=x)["step"] > step


def test_five_hundred_sessions_come_back(store):
    rpc = store.start("--fsync", "no", "--journal-bytes", "256K")
    for i in range(500):
        rpc.send("session.create", session=f"s-{i}", **norm_only(4, seed=i))
        rpc.send("forward", session=f"s-{i}", x=numbers(i, 8, 4))
        rpc.receive()
        rpc.receive()
    before = state(rpc, "s")
    assert len(before) == 500
    for end in ("kill", "kill", "stop", "kill"):
        store.end(end)
        rpc = store.start("--fsync", "no")
        assert state(rpc, "s") == before


def test_many_connections_lose_nothing_that_was_answered(store):
    """Sessions that are trained side by side until the crash; each is as its last answer says, or
    one step ahead of it."""
    rpc = store.start("--journal-bytes", "64K", "--threads", "2")
    answered = [0] * 4
    for i in range(4):
        rpc.call("session.create", session=f"s-{i}", **classifier())
    enough = threading.Event()

    def train(i):
        try:
            with store.daemon.connect() as mine:
                for seed in range(1000):
                    x, target = batch(seed)
                    answer = mine.call("train", session=f"s-{i}", x=x, target=target)
                    answered[i] = answer["version"]
                    if min(answered) > 20:
                        enough.set()
        except (EOFError, OSError):
            pass

    trainers = [threading.Thread(target=train, args=(i,)) for i in range(4)]
    for trainer in trainers:
        trainer.start()
    assert enough.wait(60)
    store.daemon.process.kill()
    for trainer in trainers:
        trainer.join()
    store.kill()
    rpc = store.start()
    with Daemon() as whole, whole.connect() as other:
        for i in range(4):
            name = f"s-{i}"
            version = rpc.call("session.describe", session=name)["version"]
            assert answered[i] <= version <= answered[i] + 1
            other.call("session.create", session=name, **classifier())
            for seed in range(version):
                x, target = batch(seed)
                other.call("train", session=name, x=x, target=target)
        assert state(rpc, "s") == state(other, "s")


# ---- Directories ----


def test_a_store_has_one_daemon(store):
    rpc = store.start()
    refused = start_that_fails(store.path)
    assert refused.returncode == 1
    assert f"in use by another normd (process {store.daemon.process.pid})" in refused.stderr
    assert rpc.call("ping") == "pong"


def test_damage_is_refused_and_named_and_leaves_the_files_alone(store):
    rpc = store.start()
    rpc.call("session.create", session="s", **classifier())
    store.daemon.stop()
    path = store.path / "base" / "data.mdb"
    data = bytearray(path.read_bytes())
    at = data.rindex(b"batch_norm")
    data[at] ^= 1
    path.write_bytes(data)
    before = files_of(store.path)
    checked = check(store.path)
    assert checked.returncode == 1 and "checksum" in checked.stderr
    refused = start_that_fails(store.path)
    assert refused.returncode == 1 and "checksum" in refused.stderr
    assert {name: facts[2] for name, facts in files_of(store.path).items() if name != "lock"} == {
        name: facts[2] for name, facts in before.items() if name != "lock"}


def test_what_can_be_no_store_is_refused_by_name(tmp_path):
    file = tmp_path / "file"
    file.write_text("dear")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter").write_text("dear")
    for path in file, foreign, file / "below", tmp_path / "none" / "none":
        refused = start_that_fails(path)
        assert refused.returncode == 1, path
        assert str(path) in refused.stderr, refused.stderr
        assert "listening" not in refused.stderr
    assert file.read_text() == "dear"
    assert [entry.name for entry in foreign.iterdir()] == ["letter"]


def test_an_empty_directory_and_a_missing_one_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in "empty", "missing":
        for count in range(2):
            with Daemon("--data-dir", str(tmp_path / name)) as daemon, daemon.connect() as rpc:
                assert len(rpc.call("session.list")["sessions"]) == count
                if count == 0:
                    rpc.call("session.create", session="s", **classifier())


def test_without_a_directory_nothing_is_kept():
    for _ in range(2):
        with Daemon() as daemon, daemon.connect() as rpc:
            assert rpc.call("session.list")["sessions"] == []
            assert "store" not in rpc.call("server.info")
            rpc.call("session.create", session="s", **classifier())
            assert any("memory" in line for line in daemon.log)


def test_a_failed_change_leaves_no_trace_behind_a_crash(store):
    rpc = store.start()
    rpc.call("session.create", session="s", **classifier())
    x, target = batch(0)
    rpc.call("train", session="s", x=x, target=target)
    before = state(rpc, "s")
    bad = x.copy()
    bad[0, 0] = np.nan
    for fields in {"x": bad, "target": target}, {"x": x[:, 1:], "target": target}:
        with pytest.raises(RpcError):
            rpc.call("train", session="s", **fields)
    store.kill()
    assert state(store.start(), "s") == before
