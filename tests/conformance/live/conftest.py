# SPDX-License-Identifier: Apache-2.0
"""The client's and the harness' folders, and a daemon with a client for each test file."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
TREE = Path(__file__).resolve().parents[3]
for folder in ("clients/python", "tests/blackbox", "tests/conformance"):
    sys.path.insert(0, str(TREE / folder))

import normd  # noqa: E402
from harness.daemon import Daemon  # noqa: E402


@pytest.fixture(scope="module")
def daemon():
    """A daemon of this file's own."""
    with Daemon() as running:
        yield running


@pytest.fixture
def client(daemon):
    """A client of it."""
    with normd.connect("127.0.0.1", daemon.port) as connected:
        yield connected
