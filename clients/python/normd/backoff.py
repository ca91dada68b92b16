# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next attempt."""

from __future__ import annotations

import random

LEAST_SECONDS = 0.02
MOST_SECONDS = 2.0

# The system's source: processes that were forked from one must not wait in step.
_random = random.SystemRandom()


def delay(failures: int) -> float:
    """Seconds after so many failures in a row, from 1: full jitter under a doubling bound."""
    bound = min(MOST_SECONDS, LEAST_SECONDS * 2.0 ** min(failures - 1, 30))
    return _random.uniform(0.0, bound)
