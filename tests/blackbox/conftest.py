# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a daemon for each test file, a connection and a session name for each test."""

import itertools

import pytest
from harness.daemon import Daemon

_numbers = itertools.count()


@pytest.fixture(scope="module")
def daemon():
    """A daemon with default options; stopping it well is part of the test."""
    running = Daemon()
    yield running
    running.stop()


@pytest.fixture(params=["str", "bin"])
def both_keys(request, daemon):
    """A connection that writes keys as str, then one that writes them as bin."""
    with daemon.connect(keys=request.param) as rpc:
        yield rpc


@pytest.fixture
def rpc(daemon):
    """A connection of the test's own."""
    with daemon.connect() as connection:
        yield connection


@pytest.fixture
def name():
    """A session name that no other test has."""
    return f"session-{next(_numbers)}"
