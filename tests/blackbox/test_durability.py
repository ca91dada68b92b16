# SPDX-License-Identifier: Apache-2.0
"""A data directory: what was answered is there after a crash and after a stop, to the bit."""

import pytest
from harness.daemon import Daemon
from stories import STORIES, comparable, do, state

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
        self.daemon.kill()
        return "".join(self.daemon.log)

    def end(self, how):
        """A crash or a stop."""
        if how == "kill":
            self.kill()
        else:
            self.daemon.stop()

    def log(self):
        """What the daemon has logged."""
        return "".join(self.daemon.log)


@pytest.fixture
def store(tmp_path):
    """A store on an empty place; what runs at the end is stopped well."""
    made = Store(tmp_path / "store")
    yield made
    if made.daemon is not None and made.daemon.process.poll() is None:
        made.daemon.stop()


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
