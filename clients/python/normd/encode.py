# SPDX-License-Identifier: Apache-2.0
"""Requests as pieces of bytes: a large array is a piece of its own and never copied."""

from __future__ import annotations

import struct
import sys
from typing import Any, Dict, List, Mapping, Union

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


def request(message_id: int, method: str, fields: Mapping[str, Any]) -> List[Piece]:
    """The request `[0, id, method, [fields]]`; fields that are None are left out.

    The pieces refer to the arrays among `fields`, which must not change until they are sent.
    """
    pieces = _Pieces()
    given = {name: value for name, value in fields.items() if value is not None}
    pieces.packer.pack_array_header(4)
    pieces.packer.pack(0)
    pieces.packer.pack(message_id)
    pieces.packer.pack(method)
    pieces.packer.pack_array_header(1)
    pieces.packer.pack_map_header(len(given))
    for name, value in given.items():
        pieces.packer.pack(name)
        if isinstance(value, np.ndarray):
            pieces.array(as_wire_array(value))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            pieces.payload(memoryview(value).cast("B"))
        else:
            pieces.packer.pack(value)
    return pieces.finish()
