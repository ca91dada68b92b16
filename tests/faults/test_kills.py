# SPDX-License-Identifier: Apache-2.0
"""Twenty SIGKILLs; `kills.py --kills N` does any number."""

import kills
import pytest
from harness.scale import scaled


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_sigkills_lose_nothing_and_double_nothing(tmp_path, fsync):
    count = {"always": 10, "everysec": 5, "no": 5}[fsync]
    print(kills.run(scaled(count, 2), 1, fsync, 1 << 20, tmp_path))
