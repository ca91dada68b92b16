# SPDX-License-Identifier: Apache-2.0
"""How much to do: NORMD_TEST_SCALE (1: all of it) for builds that run many times slower."""

import os

SCALE = float(os.environ.get("NORMD_TEST_SCALE", "1"))


def scaled(count: int, least: int = 1) -> int:
    """`count` repetitions, scaled, `least` at the fewest."""
    return max(least, round(count * SCALE))
