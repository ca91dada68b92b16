# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that ends connections after random numbers of bytes, in the middle of anything."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from typing import List, Tuple

# An end with unread bytes thrown away (RST) and an orderly one (FIN) look different to the peer.
_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to `target`.

    Each connection lives for a number of bytes, both directions counted, that is drawn from an
    exponential distribution of the given mean. `cuts` counts. The same seed draws the same numbers;
    which request they hit depends on timing.
    """

    def __init__(self, target: Tuple[str, int], mean_bytes: float, seed: int = 0) -> None:
        self.cuts = 0
        self._target = target
        self._mean_bytes = mean_bytes
        self._random = random.Random(seed)
        self._open: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that is inside accept() is not woken by close(), but by shutdown().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(60)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                daemon = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for sock in (client, daemon):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            life = int(self._random.expovariate(1 / self._mean_bytes))
            reset = self._random.random() < 0.5
            self._open += [client, daemon]
            thread = threading.Thread(
                target=self._relay, args=(client, daemon, life, reset), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _relay(
        self, client: socket.socket, daemon: socket.socket, life: int, reset: bool
    ) -> None:
        peer = {client: daemon, daemon: client}
        with client, daemon:
            try:
                while True:
                    for sock in select.select([client, daemon], [], [])[0]:
                        data = sock.recv(1 << 16)
                        if not data:
                            return
                        peer[sock].sendall(data[:life])
                        life -= len(data)
                        if life <= 0:
                            self._cut(client, daemon, reset)
                            return
            except (OSError, ValueError):
                return

    def _cut(self, client: socket.socket, daemon: socket.socket, reset: bool) -> None:
        self.cuts += 1
        if reset:
            for sock in (client, daemon):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
