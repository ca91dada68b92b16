# SPDX-License-Identifier: Apache-2.0
"""Models as lists of parts, and the safetensors files that carry them to and from a session."""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from normd.session import Session

_TYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "BOOL": "|b1"}
_NAMES = {np.dtype(dtype): name for name, dtype in _TYPES.items()}

Tensors = Dict[str, np.ndarray]


class Part(NamedTuple):
    """One layer: its map for create, and its tensors by PyTorch's names, in PyTorch's layout."""

    layer: Dict[str, Any]
    tensors: Tensors


def kind_of(layer: Mapping[str, Any]) -> str:
    """The layer's type; of norms without the number of axes ("batch_norm2d")."""
    kind = layer["type"]
    return kind[:-2] if kind[:-2].endswith("_norm") else kind


def shared(part: Part) -> Tensors:
    """The tensors that frameworks store, too: without the state of dropout's random numbers."""
    return {name: values for name, values in part.tensors.items() if name != "draws"}


def read(data: bytes) -> Tuple[Tensors, Dict[str, str]]:
    """The tensors of a file, and its metadata."""
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    body = memoryview(data)[8 + size :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(body[begin:end], _TYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata


def write(tensors: Mapping[str, np.ndarray], metadata: Optional[Dict[str, str]] = None) -> bytes:
    """A file of the tensors, in their order."""
    entries: Dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    pieces = []
    end = 0
    for name, values in tensors.items():
        data = np.ascontiguousarray(values).tobytes()
        entries[name] = {
            "dtype": _NAMES[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [end, end + len(data)],
        }
        pieces.append(data)
        end += len(data)
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *pieces])


def tensors_of(parts: List[Part]) -> Tensors:
    """The tensors of all parts by the names that a file has them under."""
    return {
        f"{index}.{name}": values
        for index, part in enumerate(parts)
        for name, values in part.tensors.items()
    }


def parts_of(session: Session, convention: str) -> List[Part]:
    """The session's layers, described in the words of `convention`, with their tensors."""
    description = session.describe(convention)
    tensors, _ = read(session.export(optimizer=False).data)
    parts = [Part(layer, {}) for layer in description["layers"]]
    for name, values in tensors.items():
        index, _, own = name.partition(".")
        parts[int(index)].tensors[own] = values
    return parts


class State(NamedTuple):
    """What an optimizer remembers."""

    slots: Dict[str, Tensors]  # by the name of their parameter ("0.weight")
    scalars: Tensors  # by their own names ("mu_product")
    steps: int


def state_of(session: Session) -> State:
    """The optimizer's state."""
    tensors, metadata = read(session.export().data)
    state = State({}, {}, int(metadata.get("normd.steps", "0")))
    for name, values in tensors.items():
        words = name.split(".")
        if words[0] == "optimizer" and words[1].isdigit():
            state.slots.setdefault(".".join(words[1:3]), {})[words[3]] = values
        elif words[0] == "optimizer":
            state.scalars[".".join(words[1:])] = values
    return state


def set_state(session: Session, state: State) -> None:
    """Sets the optimizer's steps, slots and scalars; whatever `state` does not name stays."""
    tensors, metadata = read(session.export().data)
    given = {
        f"{parameter}.{slot}": array
        for parameter, values in state.slots.items() for slot, array in values.items()
    }
    for name, array in {**given, **state.scalars}.items():
        full = f"optimizer.{name}"
        if full not in tensors:
            raise ValueError(f"the session's optimizer has no {name}")
        tensors[full] = np.asarray(array, tensors[full].dtype).reshape(tensors[full].shape)
    session.import_(write(tensors, {**metadata, "normd.steps": str(state.steps)}), "safetensors")
