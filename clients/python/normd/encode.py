# SPDX-License-Identifier: Apache-2.0
"""Requests as pieces of bytes: a large array is a piece of its own and never copied."""

from __future__ import annotations

import struct
import sys
from typing import Any, Dict, List, Mapping, Optional, Union

import msgpack
import numpy as np

Piece = Union[bytes, memoryview]

# A smaller array is cheaper to copy than to send as a piece of its own.
PAYLOAD_BYTES = 1 << 14


def as_wire_array(values: Any) -> np.ndarray:
    """`values` as a C-contiguous little-endian array; itself when it is one already."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"expected an array of numbers up to 64 bits, got dtype {array.dtype}")
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    # ascontiguousarray would give a scalar one axis.
    return array if array.flags.c_contiguous else array.copy(order="C")


def _array_map(array: np.ndarray) -> Dict[str, Any]:
    return {
        "nd": True,
        "type": array.dtype.str,
        "kind": "",
        "shape": list(array.shape),
        "data": array.tobytes(),
    }


def _default(value: Any) -> Any:
    """What msgpack does not know: arrays and NumPy's scalars."""
    if isinstance(value, np.ndarray):
        return _array_map(as_wire_array(value))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot send a {type(value).__name__}")


def _bin_header(size: int) -> bytes:
    if size < 1 << 8:
        return struct.pack(">BB", 0xC4, size)
    if size < 1 << 16:
        return struct.pack(">BH", 0xC5, size)
    return struct.pack(">BI", 0xC6, size)


class _Pieces:
    """Collects small bytes in one packer and lets large buffers pass by it."""

    def __init__(self) -> None:
        self.done: List[Piece] = []
        self.packer = msgpack.Packer(default=_default, autoreset=False)

    def payload(self, data: memoryview) -> None:
        """A bin of these bytes."""
        if data.nbytes >= 1 << 32:
            raise ValueError(f"expected less than 4 GiB, got {data.nbytes} bytes")
        if data.nbytes < PAYLOAD_BYTES:
            self.packer.pack(data)
            return
        self.done.append(self.packer.bytes() + _bin_header(data.nbytes))
        self.packer.reset()
        self.done.append(data)

    def array(self, array: np.ndarray) -> None:
        """The map of an array, its bytes last."""
        self.packer.pack_map_header(5)
        for value in ("nd", True, "type", array.dtype.str, "kind", "", "shape", list(array.shape)):
            self.packer.pack(value)
        self.packer.pack("data")
        # A view of bytes; memoryview.cast refuses arrays without elements.
        self.payload(memoryview(array.reshape(-1).view(np.uint8)))

    def finish(self) -> List[Piece]:
        """Everything, in order."""
        tail = self.packer.bytes()
        return self.done + [tail] if tail else self.done


class Body:
    """The fields of a request, encoded once however often they are sent.

    The pieces refer to the arrays among `fields`, which must not change while they may be sent
    again; with `keep` they are copies.
    """

    def __init__(self, fields: Mapping[str, Any], keep: bool = False) -> None:
        pieces = _Pieces()
        given = {name: value for name, value in fields.items() if value is not None}
        for name, value in given.items():
            pieces.packer.pack(name)
            if isinstance(value, np.ndarray):
                pieces.array(as_wire_array(value))
            elif isinstance(value, (bytes, bytearray, memoryview)):
                pieces.payload(memoryview(value).cast("B"))
            else:
                pieces.packer.pack(value)
        self.count = len(given)
        self.pieces = pieces.finish()
        if keep:
            self.pieces = [bytes(piece) for piece in self.pieces]


def message(
    message_id: int, method: str, body: Body, more: Optional[Mapping[str, Any]] = None
) -> List[Piece]:
    """The request `[0, id, method, [fields]]`, `more` in front of the fields of the body."""
    packer = msgpack.Packer(autoreset=False)
    more = more or {}
    packer.pack_array_header(4)
    packer.pack(0)
    packer.pack(message_id)
    packer.pack(method)
    packer.pack_array_header(1)
    packer.pack_map_header(len(more) + body.count)
    for name, value in more.items():
        packer.pack(name)
        packer.pack(value)
    head = packer.bytes()
    if body.pieces and isinstance(body.pieces[0], bytes):
        return [head + body.pieces[0], *body.pieces[1:]]
    return [head, *body.pieces]


def request(message_id: int, method: str, fields: Mapping[str, Any]) -> List[Piece]:
    """A request that is sent once; fields that are None are left out."""
    return message(message_id, method, Body(fields))
