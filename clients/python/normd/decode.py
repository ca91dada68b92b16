# SPDX-License-Identifier: Apache-2.0
"""Messages out of a byte stream: large payloads are received where they stay.

This is a decoder of its own because msgpack's copies each payload twice on its way. It takes the
MessagePack that a response is made of (no ext) within limits, so that a broken peer cannot make it
take memory that no bytes stand for.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Dict, List

import numpy as np

from normd.encode import PAYLOAD_BYTES

BUFFER_BYTES = 1 << 16
MAX_DEPTH = 32
# Values of one array or map; the daemon's answers have a few hundred.
MAX_COUNT = 1 << 20

_FIXED: Dict[int, struct.Struct] = {
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
_CONSTANT = {0xC0: None, 0xC2: False, 0xC3: True}
# The bytes of the length that follows these headers.
_BIN = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_STR = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}
_MAP = {0xDE: 2, 0xDF: 4}


class Malformed(Exception):
    """The stream holds what no response holds."""


class Decoder:
    """Reads values from `receive_into(view)`, which gives the bytes received, 1 or more."""

    def __init__(self, receive_into: Callable[[memoryview], int]) -> None:
        self._receive_into = receive_into
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._begin = 0
        self._end = 0

    @property
    def begun(self) -> bool:
        """Whether bytes of the next value are here."""
        return self._begin < self._end

    def read(self) -> Any:
        """The next value; arrays (maps with "nd") become NumPy arrays that own their memory."""
        return self._value(0)

    def _fill(self, size: int) -> None:
        """Makes `size` bytes (at most the buffer) stand at `_begin`."""
        if self._begin + size > BUFFER_BYTES:
            kept = bytes(self._buffer[self._begin : self._end])
            self._buffer[: len(kept)] = kept
            self._begin, self._end = 0, len(kept)
        while self._end - self._begin < size:
            self._end += self._receive_into(self._buffer[self._end :])

    def _take(self, size: int) -> memoryview:
        """A view of the next `size` bytes, valid until the next call."""
        if self._end - self._begin < size:
            if self._begin == self._end:
                self._begin = self._end = 0
            self._fill(size)
        view = self._buffer[self._begin : self._begin + size]
        self._begin += size
        return view

    def _payload(self, size: int) -> memoryview:
        """`size` bytes in memory of their own."""
        if size < PAYLOAD_BYTES:
            return memoryview(bytearray(self._take(size)))
        # The message comes from a peer that may lie about the size: pages that no byte
        # reaches are never touched, so they cost nothing.
        target = memoryview(np.empty(size, np.uint8))
        have = min(size, self._end - self._begin)
        target[:have] = self._buffer[self._begin : self._begin + have]
        self._begin += have
        while have < size:
            have += self._receive_into(target[have:])
        return target

    def _length(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _value(self, depth: int) -> Any:
        # This runs for every value: what is met most often comes first.
        if self._begin == self._end:
            self._begin = self._end = 0
            self._fill(1)
        first = self._buffer[self._begin]
        self._begin += 1
        if first < 0x80:
            return first
        if 0xA0 <= first <= 0xBF:
            return self._text(first & 0x1F)
        if first >= 0xE0:
            return first - 0x100
        if first in _CONSTANT:
            return _CONSTANT[first]
        if first in _FIXED:
            form = _FIXED[first]
            return form.unpack(self._take(form.size))[0]
        if first in _BIN:
            return self._payload(self._length(_BIN[first]))
        if first in _STR:
            return self._text(self._length(_STR[first]))
        if depth == MAX_DEPTH:
            raise Malformed("nested too deeply")
        if 0x90 <= first <= 0x9F:
            return self._list(first & 0x0F, depth + 1)
        if first in _ARRAY:
            return self._list(self._length(_ARRAY[first]), depth + 1)
        if first <= 0x8F:
            return self._map(first & 0x0F, depth + 1)
        if first in _MAP:
            return self._map(self._length(_MAP[first]), depth + 1)
        raise Malformed(f"byte 0x{first:02x}")

    def _text(self, size: int) -> str:
        data = self._take(size) if size < PAYLOAD_BYTES else self._payload(size)
        return str(data, "utf-8", "replace")

    def _list(self, count: int, depth: int) -> List[Any]:
        if count > MAX_COUNT:
            raise Malformed(f"an array of {count} values")
        return [self._value(depth) for _ in range(count)]

    def _map(self, count: int, depth: int) -> Any:
        if count > MAX_COUNT:
            raise Malformed(f"a map of {count} values")
        result: Dict[str, Any] = {}
        for _ in range(count):
            key = self._value(depth)
            if not isinstance(key, str):
                if not isinstance(key, memoryview):
                    raise Malformed(f"a key of type {type(key).__name__}")
                key = str(key, "utf-8", "replace")
            result[key] = self._value(depth)
        return _as_array(result) if result.get("nd") is True else result


def _as_array(fields: Dict[str, Any]) -> np.ndarray:
    try:
        dtype = np.dtype(fields["type"])
        # Never an object or a structure: neither is a batch of numbers.
        if dtype.kind not in "fiub":
            raise Malformed(f"an array of type {dtype}")
        # asarray, because np.frombuffer refuses arrays without elements.
        data = np.asarray(fields["data"])
        return data.view(dtype).reshape(fields["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"an array that is none: {error}") from None
