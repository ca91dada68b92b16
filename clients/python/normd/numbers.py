# SPDX-License-Identifier: Apache-2.0
"""The name of a client and the numbers of its mutations, by which the daemon knows them again."""

from __future__ import annotations

import os
from typing import Optional, Set

# The daemon remembers so many of a client's newest mutations.
WINDOW = 64
MAX_NAME_BYTES = 128


class Numbers:
    """Numbers from 1 on, each used once; one that was given back is used by the next mutation.

    `given` is the name of the caller's choice; without one each of `renew` makes another.
    """

    def __init__(self, given: Optional[str]) -> None:
        if given is not None and not 1 <= len(given.encode()) <= MAX_NAME_BYTES:
            raise ValueError(
                f"client: expected 1 to {MAX_NAME_BYTES} bytes, got {len(given.encode())}"
            )
        self.given = given
        self.name = ""
        self._highest = 0
        self._free: Set[int] = set()
        self.renew()

    def renew(self, last: int = 0) -> None:
        """Begins anew behind `last`, under a new name when none was given."""
        self.name = self.given or "py-" + os.urandom(8).hex()
        self._highest = last
        self._free.clear()

    @property
    def holes(self) -> bool:
        """Whether a number below one that was taken waits to be used."""
        return bool(self._free)

    @property
    def next(self) -> int:
        """The number that `take` would give."""
        return min(self._free) if self._free else self._highest + 1

    def take(self) -> int:
        """The lowest number that no mutation has."""
        number = self.next
        self._free.discard(number)
        self._highest = max(self._highest, number)
        return number

    def give_back(self, number: int) -> None:
        """The number's mutation was not applied and never will be under it."""
        self._free.add(number)
        while self._highest in self._free:
            self._free.remove(self._highest)
            self._highest -= 1
