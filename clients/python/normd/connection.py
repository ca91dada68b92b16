# SPDX-License-Identifier: Apache-2.0
"""One connection: a socket on which messages are written whole and answers are read."""

from __future__ import annotations

import select
import socket
import time
from typing import Any, Callable, List, Optional

from normd.decode import Decoder, Malformed
from normd.encode import Piece

# What the kernel takes in one sendmsg (IOV_MAX).
_PIECES_AT_ONCE = 1024


class Broken(Exception):
    """The connection cannot be used any more.

    `silent`: the daemon said nothing for the time-out. `fatal`: what came was no answer, so another
    connection would bring no better one.
    """

    def __init__(self, reason: str, *, silent: bool = False, fatal: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent
        self.fatal = fatal


class Expired(Exception):
    """The caller's deadline passed."""


class Connection:
    """Not thread-safe. `on_answer(id, error, result)` is called for each answer as it comes.

    `timeout` is how long the daemon may be silent while something is waited for. After Broken or
    Expired the connection must be closed: half a message may have been sent or read.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_answer: Callable[[int, Any, Any], None],
        timeout: Optional[float],
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._on_answer = on_answer
        self._timeout = timeout
        self._deadline: Optional[float] = None
        self._decoder = Decoder(self._receive_into)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def send(self, pieces: List[Piece], deadline: Optional[float]) -> None:
        """Sends a message, whole; reads answers meanwhile if the daemon waits for that."""
        self._deadline = deadline
        views = [memoryview(piece) for piece in pieces]
        first = 0
        while first < len(views):
            try:
                sent = self._socket.sendmsg(views[first : first + _PIECES_AT_ONCE])
            except BlockingIOError:
                # A daemon whose answers nobody reads stops reading requests: read some.
                if self._wait_ready(select.POLLIN | select.POLLOUT) & select.POLLIN:
                    self._read_answer()
                continue
            except OSError as error:
                raise Broken(str(error)) from None
            while first < len(views) and sent >= views[first].nbytes:
                sent -= views[first].nbytes
                first += 1
            if sent:
                views[first] = views[first][sent:]

    def readable(self, seconds: Optional[float]) -> bool:
        """Waits so long (None: for ever) for something to read."""
        if self._decoder.begun:
            return True
        return bool(self._poll(select.POLLIN, seconds))

    def read(self, deadline: Optional[float]) -> None:
        """Reads one answer."""
        self._deadline = deadline
        self._read_answer()

    def _read_answer(self) -> None:
        try:
            message = self._decoder.read()
            if not isinstance(message, list) or len(message) != 4 or message[0] != 1:
                raise Malformed("expected a response")
            _, message_id, error, result = message
            self._on_answer(message_id, error, result)
        except Malformed as error:
            raise Broken(f"the peer is no normd: {error}", fatal=True) from None

    def _poll(self, events: int, seconds: Optional[float]) -> int:
        poll = select.poll()
        poll.register(self._socket, events)
        ready = poll.poll(None if seconds is None else seconds * 1000)
        return ready[0][1] if ready else 0

    def _wait_ready(self, events: int) -> int:
        """Waits for one of the events; the ones that came."""
        limit = self._timeout
        if self._deadline is not None:
            rest = max(0.0, self._deadline - time.monotonic())
            limit = rest if limit is None else min(rest, limit)
        ready = self._poll(events, limit)
        if not ready:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise Expired
            raise Broken(f"the daemon was silent for {self._timeout:g} s", silent=True)
        return ready

    def _receive_into(self, view: memoryview) -> int:
        while True:
            try:
                size = self._socket.recv_into(view)
            except BlockingIOError:
                self._wait_ready(select.POLLIN)
                continue
            except OSError as error:
                raise Broken(str(error)) from None
            if size == 0:
                raise Broken("the daemon closed the connection")
            return size


class Address:
    """Where the daemon listens; a host's name is looked up anew for each connection."""

    def __init__(self, host: str, port: int, unix: Optional[str]) -> None:
        self._host = host
        self._port = port
        self._unix = unix

    def dial(self, timeout: Optional[float]) -> socket.socket:
        """A connected socket, or Broken."""
        address = self._unix or f"{self._host}:{self._port}"
        try:
            if self._unix is None:
                sock = socket.create_connection((self._host, self._port), timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout)
                sock.connect(self._unix)
            except BaseException:
                sock.close()
                raise
            return sock
        except socket.timeout:
            raise Broken(f"no connection to {address} in time", silent=True) from None
        except OSError as error:
            raise Broken(f"no connection to {address}: {error}") from None
