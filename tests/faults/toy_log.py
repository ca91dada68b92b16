# SPDX-License-Identifier: Apache-2.0
"""A small log with checkpoints, to prove the tools with: once right, and once with each of the
mistakes that they must find.

    toy_log.py DIRECTORY ACKNOWLEDGEMENTS COUNT [MISTAKE]

Appends numbers, each with some filling, to journal/N.log, acknowledges each when it is synced, and
now and then writes base/base, renames it into place and deletes the segments before it.
"""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import List

MISTAKES = (
    "acknowledges before it syncs",
    "does not sync the directory of a new segment",
    "renames a checkpoint that is not synced",
    "deletes segments before the checkpoint's name is synced",
)
SEGMENT, CHECKPOINT = 20, 60
HEAD = struct.Struct("<III")


def record(number: int) -> bytes:
    """A number with filling, of a few bytes to some pages, and a checksum of both."""
    filling = bytes([number % 251]) * (number * 7919 % 9000)
    body = struct.pack("<I", number) + filling
    return HEAD.pack(0x79746F79, len(body), zlib.crc32(body)) + body


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


class Log:
    """The writer."""

    def __init__(self, directory: Path, mistake: str) -> None:
        self.directory, self.mistake = directory, mistake
        for name in ("journal", "base"):
            os.mkdir(directory / name)
        sync_folder(directory)
        self.segments: List[Path] = []

    def begin_segment(self, number: int) -> None:
        self.segments.append(self.directory / "journal" / f"{number:06}.log")
        self.file = os.open(self.segments[-1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self.mistake != MISTAKES[1]:
            sync_folder(self.directory / "journal")

    def append(self, number: int) -> None:
        data = record(number)
        half = len(data) // 2
        assert os.writev(self.file, [data[:half], data[half:]]) == len(data)
        if self.mistake != MISTAKES[0]:
            os.fdatasync(self.file)

    def checkpoint(self, number: int) -> None:
        base = self.directory / "base"
        new = os.open(base / "new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        assert os.pwrite(new, record(number), 0) > 0
        if self.mistake != MISTAKES[2]:
            os.fsync(new)
        os.close(new)
        os.rename(base / "new", base / "base")
        if self.mistake != MISTAKES[3]:
            sync_folder(base)
        for segment in self.segments:
            os.unlink(segment)
        self.segments.clear()
        sync_folder(self.directory / "journal")


def write(directory: Path, acknowledgements: Path, count: int, mistake: str) -> None:
    log = Log(directory, mistake)
    with open(acknowledgements, "w", encoding="ascii") as out:
        for number in range(1, count + 1):
            if number % CHECKPOINT == 0:
                os.close(log.file)
                log.checkpoint(number - 1)
            if number % CHECKPOINT == 0 or number % SEGMENT == 1:
                log.begin_segment(number)
            log.append(number)
            out.write(f"{number} {time.monotonic_ns()}\n")
            out.flush()


def records(data: bytes, checked: bool = True) -> List[int]:
    """The numbers up to the first record that is not whole."""
    numbers, at = [], 0
    while at + HEAD.size <= len(data):
        magic, size, checksum = HEAD.unpack_from(data, at)
        body = data[at + HEAD.size : at + HEAD.size + size]
        if magic != 0x79746F79 or len(body) != size or (checked and zlib.crc32(body) != checksum):
            break
        if body != record(struct.unpack_from("<I", body)[0])[HEAD.size :]:
            raise ValueError("a damaged record is served")
        numbers.append(struct.unpack_from("<I", body)[0])
        at += HEAD.size + size
    return numbers


def recover(directory: Path, checked: bool = True) -> int:
    """The last number; ValueError when what is there is no prefix of what was written."""
    base = directory / "base" / "base"
    last = 0
    if base.exists():
        numbers = records(base.read_bytes(), checked)
        if len(numbers) != 1:
            raise ValueError("the checkpoint is damaged")
        last = numbers[0]
    journal = directory / "journal"
    for segment in sorted(journal.iterdir()) if journal.exists() else []:
        for number in records(segment.read_bytes(), checked):
            if number > last + 1:
                raise ValueError(f"{number} follows {last}")
            last = max(last, number)
    return last


if __name__ == "__main__":
    write(
        Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]),
        sys.argv[4] if len(sys.argv) > 4 else "",
    )
