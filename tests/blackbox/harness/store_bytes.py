# SPDX-License-Identifier: Apache-2.0
"""The bytes of a data directory, as daemon/store/README.md and daemon/durable/README.md say them:
where each frame and item of a segment lies, and each row and page of the base."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

SEGMENT_HEADER, FRAME_HEADER, PAGE = 48, 40, 4096
RECORD, MARKER = 0, 1
TABLES = {"own": 0, "meta": 1, "sessions": 2, "state": 3, "clients": 4}


def _crc_table() -> List[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data: bytes, crc: int = 0) -> int:
    """CRC32C, carried on from `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Item(NamedTuple):
    """Of a record: its tag and where its body lies in the file."""

    tag: int
    offset: int
    size: int


class Frame(NamedTuple):
    """Where it lies in the file, and what its header says."""

    offset: int
    kind: int
    size: int
    number: int

    @property
    def payload(self) -> int:
        return self.offset + FRAME_HEADER

    @property
    def end(self) -> int:
        return self.payload + self.size


def segments(directory: Path) -> List[Path]:
    """The journal's files in order."""
    return sorted((directory / "journal").glob("*.log"))


def frames(path: Path) -> List[Frame]:
    """Of one segment."""
    data, at, found = path.read_bytes(), SEGMENT_HEADER, []
    while at < len(data):
        magic, kind, size, number = struct.unpack_from("<4sIQQ", data, at)
        assert magic == b"nrec", (path, at)
        found.append(Frame(at, kind, size, number))
        at = found[-1].end
    return found


def items(path: Path, frame: Frame) -> List[Item]:
    """Of one record."""
    data, at, found = path.read_bytes(), frame.payload, []
    while at < frame.end:
        tag, size = struct.unpack_from("<BQ", data, at)
        found.append(Item(tag, at + 9, size))
        at += 9 + size
    return found


def records(directory: Path) -> Iterator[Tuple[Path, Frame, List[Item]]]:
    """Every record of the journal in order."""
    for path in segments(directory):
        for frame in frames(path):
            if frame.kind == RECORD:
                yield path, frame, items(path, frame)


def seal_again(path: Path, frame: Frame) -> None:
    """Gives a frame the checksums of what is in it now, as if the daemon had written it so."""
    data = bytearray(path.read_bytes())
    payload = bytes(data[frame.payload : frame.end])
    struct.pack_into("<I", data, frame.offset + 32, crc32c(payload))
    head = bytes(data[:44]) + bytes(data[frame.offset : frame.offset + 36])
    struct.pack_into("<I", data, frame.offset + 36, crc32c(head))
    path.write_bytes(data)


class Row(NamedTuple):
    """Of the base: its table, its key there, and where its value lies in the file."""

    table: str
    key: bytes
    offset: int
    size: int


class Base:
    """LMDB's file, read without LMDB: the newest first page, branch pages, and rows."""

    def __init__(self, directory: Path) -> None:
        self.data = (directory / "base" / "data.mdb").read_bytes()
        # Behind the page's header: magic, version, address, map, two trees, last page, transaction.
        transactions = [struct.unpack_from("<Q", self.data, page * PAGE + 144)[0] for page in (0, 1)]
        self.newest = PAGE * transactions.index(max(transactions))
        self.branches: List[int] = []
        self.rows: List[Row] = []
        (root,) = struct.unpack_from("<Q", self.data, self.newest + 128)
        self._walk(root * PAGE)

    def _walk(self, page: int) -> None:
        flags, lower = struct.unpack_from("<HH", self.data, page + 10)
        if flags & 1:
            self.branches.append(page)
        for at in range(page + 16, page + lower, 2):
            (node,) = struct.unpack_from("<H", self.data, at)
            low, high, kind, size = struct.unpack_from("<4H", self.data, page + node)
            key = page + node + 8
            if flags & 1:
                self._walk((low | high << 16 | kind << 32) * PAGE)
                continue
            value = key + size
            if kind & 1:  # in pages of its own
                value = struct.unpack_from("<Q", self.data, value)[0] * PAGE + 16
            table = [name for name, first in TABLES.items() if first == self.data[key]][0]
            whole = self.data[key + 1 : key + size]
            self.rows.append(Row(table, whole, value, low | high << 16))

    def row(self, table: str, key: bytes = b"") -> Row:
        """The first row of the table whose key begins so."""
        return next(row for row in self.rows if row.table == table and row.key.startswith(key))


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Turns one bit round."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)
