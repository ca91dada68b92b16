# SPDX-License-Identifier: Apache-2.0
"""A daemon in a thread that answers as a test tells it to. Plain msgpack, none of our code."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable, Dict, List, Optional

import msgpack
import numpy as np


def array_map(array: np.ndarray) -> Dict[str, Any]:
    """An array as it goes over the wire."""
    return {
        "nd": True,
        "type": array.dtype.str,
        "kind": "",
        "shape": list(array.shape),
        "data": array.tobytes(),
    }


def as_array(fields: Dict[str, Any]) -> np.ndarray:
    """The array of such a map."""
    return np.frombuffer(fields["data"], fields["type"]).reshape(fields["shape"])


class FakeDaemon:
    """Listens on a free port. `answer(request) -> bytes` gives what is sent back; None hangs up.

    `requests` keeps what came. `connections` counts.
    """

    def __init__(self, answer: Callable[[List[Any]], Optional[bytes]]) -> None:
        self.answer = answer
        self.requests: List[List[Any]] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> FakeDaemon:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that is inside accept() is not woken by close(), but by shutdown().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30)
        with sock:
            try:
                while True:
                    data = sock.recv(1 << 20)
                    if not data:
                        return
                    unpacker.feed(data)
                    for request in unpacker:
                        self.requests.append(request)
                        reply = self.answer(request)
                        if reply is None:
                            return
                        sock.sendall(reply)
            except OSError:
                return


def result(request: List[Any], value: Any) -> bytes:
    """The response with a result."""
    return msgpack.packb([1, request[1], None, value])


def error(request: List[Any], text: str) -> bytes:
    """The response with an error."""
    return msgpack.packb([1, request[1], text, None])
