# SPDX-License-Identifier: Apache-2.0
"""One daemon for each test file, with the black-box tests' harness."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "blackbox"))

from harness.daemon import Daemon  # noqa: E402


@pytest.fixture(scope="module")
def rpc():
    """A connection to a daemon of this file's own."""
    with Daemon() as daemon, daemon.connect() as connection:
        yield connection
