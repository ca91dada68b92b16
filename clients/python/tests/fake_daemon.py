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

    `requests` keeps what came. `connections` counts. A `hello` is answered here, as by a daemon that
    does not count mutations, and kept apart, unless `greets` is false.
    """

    def __init__(
        self,
        answer: Callable[[List[Any]], Optional[bytes]],
        greets: bool = True,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.greets = greets
        self.requests: List[List[Any]] = []
        self.connections = 0
        self._listeners: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self.port = self._listen(socket.create_server(("127.0.0.1", port))).getsockname()[1]

    def listen_unix(self, path: str) -> None:
        """Listens on a Unix socket as well."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen()
        self._listen(listener)

    def _listen(self, listener: socket.socket) -> socket.socket:
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        self._listeners.append(listener)
        self._threads.append(thread)
        return listener

    def __enter__(self) -> FakeDaemon:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that is inside accept() is not woken by close(), but by shutdown().
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
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
                        if self.greets and request[2] == "hello":
                            sock.sendall(result(request, {"server": "normd"}))
                            continue
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
