# SPDX-License-Identifier: Apache-2.0
"""MessagePack-RPC over a socket with the msgpack package: one request, one answer, raw bytes."""

from __future__ import annotations

import socket
from typing import Any, Dict, List, Optional, Tuple, Union

import msgpack
import numpy as np

Address = Union[str, Tuple[str, int]]

# A socket that says nothing for so long is a hang.
SILENCE_SECONDS = 120


class RpcError(Exception):
    """The daemon's error: `code` and `message`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code, _, self.message = text.partition(" ")


def array_map(array: np.ndarray, keys: str = "bin") -> Dict[Any, Any]:
    """An array as msgpack-numpy writes it (keys as bin), or with keys as str."""
    fields = {
        "nd": True,
        "type": array.dtype.str,
        "kind": b"" if keys == "bin" else "",
        "shape": list(array.shape),
        "data": array.tobytes(),
    }
    return {key.encode(): value for key, value in fields.items()} if keys == "bin" else fields


def _decode(fields: Dict[Any, Any]) -> Any:
    """A map: an array where it is one, else with str keys."""
    plain = {k.decode() if isinstance(k, bytes) else k: v for k, v in fields.items()}
    if plain.get("nd") is True:
        return np.frombuffer(plain["data"], plain["type"]).reshape(plain["shape"])
    return plain


class Rpc:
    """One connection. Parameter and array keys are str or bin, as `keys` says."""

    def __init__(self, address: Address, keys: str = "bin") -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(SILENCE_SECONDS)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.keys = keys
        self.next_id = 0
        self._unpacker = msgpack.Unpacker(
            object_hook=_decode, strict_map_key=False, raw=False, max_buffer_size=1 << 30
        )

    def __enter__(self) -> Rpc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()

    # ---- Bytes ----

    def pack(self, message: Any) -> bytes:
        """A message's bytes, arrays as their maps."""
        return msgpack.packb(message, default=lambda array: array_map(np.asarray(array), self.keys))

    def request(self, method: str, params: Dict[str, Any]) -> bytes:
        """The bytes of the next request; its id is `next_id - 1` afterwards."""
        if self.keys == "bin":
            params = {key.encode(): value for key, value in params.items()}
        message = [0, self.next_id, method, [params]]
        self.next_id += 1
        return self.pack(message)

    def send_raw(self, data: bytes) -> None:
        """Sends bytes."""
        self.socket.sendall(data)

    # ---- Messages ----

    def send(self, method: str, **params: Any) -> int:
        """Sends a request; gives its id."""
        self.send_raw(self.request(method, params))
        return self.next_id - 1

    def receive(self, begun: bytes = b"") -> List[Any]:
        """The next message (`begun`: its first bytes, already read); EOFError at the end."""
        self._unpacker.feed(begun)
        while True:
            try:
                return self._unpacker.unpack()
            except msgpack.OutOfData:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise EOFError("the daemon closed the connection") from None
                self._unpacker.feed(data)

    def answer(self, message_id: Optional[int] = None) -> Any:
        """The next message's result; it must be the answer to `message_id` (any when None)."""
        message = self.receive()
        assert len(message) == 4 and message[0] == 1, message
        assert message_id is None or message[1] == message_id, message
        if message[2] is not None:
            assert message[3] is None, message
            raise RpcError(message[2])
        return message[3]

    def call(self, method: str, **params: Any) -> Any:
        """Sends a request and waits for its answer; RpcError when it is one."""
        return self.answer(self.send(method, **params))

    def closed_by_peer(self) -> bool:
        """Waits until the daemon has closed, reading past what it sends before."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True
