# SPDX-License-Identifier: Apache-2.0
"""Steers the preload library: what it watches, what it records, which faults it makes."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from pathlib import Path
from typing import Dict, Optional

BUILD = Path(os.environ.get("NORMD_BUILD", Path(__file__).resolve().parents[2] / "build"))
LIBRARY = BUILD / "tests" / "faults.so"

# What a rule is about, and what it does (preload/control.h).
WRITE, SYNC, SPACE, NAME = 1, 2, 4, 8
FAIL, SHORT, DELAY, FULL = 1, 2, 3, 4
ALWAYS = (1 << 64) - 1
_CERTAIN = 1 << 32
_PAGE, _RULES, _RULE = 4096, 16, struct.Struct("<IIIiQQQQQQQQ48s")


def environment(
    directory: Path, log: Optional[Path] = None, control: Optional[Control] = None
) -> Dict[str, str]:
    """The environment of a program whose files below `directory` are watched."""
    variables = {
        "LD_PRELOAD": str(LIBRARY),
        "NORMD_FAULTS_DIRECTORY": os.path.realpath(directory),
        # A sanitizer's runtime wants to be the first library, which it cannot be here.
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
    }
    if log is not None:
        variables["NORMD_FAULTS_LOG"] = str(log)
    if control is not None:
        variables["NORMD_FAULTS_CONTROL"] = str(control.path)
    return variables


class Control:
    """The page of rules, which the program reads at each of its calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(_PAGE))
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), _PAGE)

    def set(
        self,
        rule: int,
        ops: int,
        action: int,
        *,
        error: int = errno.EIO,
        skip: int = 0,
        count: int = ALWAYS,
        probability: float = 1.0,
        seed: int = 0,
        room: int = 0,
        delay_ms: float = 0.0,
        match: str = "",
    ) -> None:
        """Puts a rule in force: of the calls `ops` on paths with `match` in them, spares `skip`, then
        hits `count`, each with the probability."""
        assert 0 <= rule < _RULES and len(match) < 48
        self.lift(rule)
        chance = round(probability * _CERTAIN)
        delay = round(delay_ms * 1000)
        fields = (ops, action, error, skip, count, seed, chance, room, delay, 0, 0, match.encode())
        at = rule * _RULE.size
        self._page[at : at + _RULE.size] = _RULE.pack(0, *fields)
        struct.pack_into("<I", self._page, at, 1)

    def lift(self, rule: Optional[int] = None) -> None:
        """Takes a rule out of force, or all. Its counts stay."""
        for number in range(_RULES) if rule is None else [rule]:
            struct.pack_into("<I", self._page, number * _RULE.size, 0)

    def seen(self, rule: int) -> int:
        """The calls that the rule was about since it was set."""
        return _RULE.unpack_from(self._page, rule * _RULE.size)[10]

    def hits(self, rule: int) -> int:
        """The calls that it hit."""
        return _RULE.unpack_from(self._page, rule * _RULE.size)[11]
