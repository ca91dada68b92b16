# SPDX-License-Identifier: Apache-2.0
"""Reads and writes safetensors files, as much as the tests need."""

from __future__ import annotations

import json
import struct
from typing import Dict, Mapping, Optional

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "F16": "<f2"}
NAMES = {np.dtype(dtype): name for name, dtype in TYPES.items()}


def header(data: bytes) -> Dict[str, dict]:
    """The JSON header."""
    (size,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + size])


def load(data: bytes) -> Dict[str, np.ndarray]:
    """Every tensor by its name."""
    (size,) = struct.unpack_from("<Q", data)
    body = memoryview(data)[8 + size :]
    tensors = {}
    for name, entry in header(data).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(body[begin:end], TYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def save(tensors: Mapping[str, np.ndarray], metadata: Optional[Dict[str, str]] = None) -> bytes:
    """A file of the tensors."""
    entries: Dict[str, dict] = {"__metadata__": metadata} if metadata else {}
    body = b""
    for name, values in tensors.items():
        data = np.ascontiguousarray(values).tobytes()
        entries[name] = {
            "dtype": NAMES[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body
