# SPDX-License-Identifier: Apache-2.0
"""One connection: a socket, the requests in flight on it, and their answers."""

from __future__ import annotations

import select
import socket
import time
from typing import Any, Dict, List, Mapping, Optional

from normd import encode, errors
from normd.decode import Decoder, Malformed

# What the kernel takes in one sendmsg (IOV_MAX).
_PIECES_AT_ONCE = 1024
_UNANSWERED = object()


class Reply:
    """The place for one answer."""

    __slots__ = ("error", "value")

    def __init__(self) -> None:
        self.value: Any = _UNANSWERED
        self.error: Optional[errors.Error] = None

    @property
    def done(self) -> bool:
        """Whether the answer is here."""
        return self.value is not _UNANSWERED or self.error is not None


class Connection:
    """Sends requests and receives answers in whatever order they come. Not thread-safe.

    After ConnectionLost or Timeout it is closed, and every reply still open has failed.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket: Optional[socket.socket] = sock
        self._decoder = Decoder(self._receive_into)
        self._open: Dict[int, Reply] = {}
        self._next_id = 0
        self._deadline: Optional[float] = None

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._socket is None

    def send(self, method: str, fields: Mapping[str, Any], timeout: Optional[float]) -> Reply:
        """Sends one request, whole; reads answers meanwhile if the daemon waits for that."""
        message_id = self._next_id
        pieces = encode.request(message_id, method, fields)
        self._next_id = (message_id + 1) & 0xFFFFFFFF
        reply = self._open[message_id] = Reply()
        self._begin(timeout)
        try:
            self._send_pieces([memoryview(piece) for piece in pieces])
        except Exception as error:  # noqa: BLE001 - whatever it was, half a request is sent
            raise self._lose(error) from None
        except BaseException:
            self._lose(errors.ConnectionLost("interrupted"))
            raise
        return reply

    def wait(self, reply: Reply, timeout: Optional[float]) -> Any:
        """The answer's result; raises the daemon's error, Timeout or ConnectionLost."""
        self._begin(timeout)
        while not reply.done:
            try:
                self._read_answer()
            except (OSError, Malformed, errors.Error) as error:
                self._lose(error)
            except BaseException:
                # An interrupt in the middle of a message: nobody could read on from here.
                self._lose(errors.ConnectionLost("interrupted"))
                raise
        if reply.error is not None:
            raise reply.error
        return reply.value

    def close(self) -> None:
        """Ends the connection; open replies fail with ConnectionLost."""
        self._lose(errors.ConnectionLost("closed by this client"))

    def _begin(self, timeout: Optional[float]) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def _lose(self, error: Exception) -> errors.Error:
        """Closes, and fails every open reply with the error, which it gives back."""
        if isinstance(error, Malformed):
            error = errors.ConnectionLost(f"the peer is no normd: {error}")
        elif not isinstance(error, errors.Error):
            error = errors.ConnectionLost(str(error))
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for reply in self._open.values():
            reply.error = error
        self._open.clear()
        return error

    def _wait_ready(self, events: int) -> int:
        """Waits for one of the events; the ones that came."""
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._socket, events)
        rest = None
        if self._deadline is not None:
            rest = max(0.0, self._deadline - time.monotonic()) * 1000
        ready = poll.poll(rest)
        if not ready:
            raise errors.Timeout("no answer in time")
        return ready[0][1]

    def _receive_into(self, view: memoryview) -> int:
        assert self._socket is not None
        while True:
            try:
                size = self._socket.recv_into(view)
            except BlockingIOError:
                self._wait_ready(select.POLLIN)
                continue
            if size == 0:
                raise errors.ConnectionLost("the daemon closed the connection")
            return size

    def _send_pieces(self, pieces: List[memoryview]) -> None:
        first = 0
        while first < len(pieces):
            if self._socket is None:
                raise errors.ConnectionLost("the connection ended")
            try:
                sent = self._socket.sendmsg(pieces[first : first + _PIECES_AT_ONCE])
            except BlockingIOError:
                # A daemon whose answers nobody reads stops reading requests: read some.
                if self._wait_ready(select.POLLIN | select.POLLOUT) & select.POLLIN:
                    self._read_answer()
                continue
            while first < len(pieces) and sent >= pieces[first].nbytes:
                sent -= pieces[first].nbytes
                first += 1
            if sent:
                pieces[first] = pieces[first][sent:]

    def _read_answer(self) -> None:
        """Reads one message and puts it where it belongs."""
        if self._socket is None:
            raise errors.ConnectionLost("the connection ended")
        message = self._decoder.read()
        if not isinstance(message, list) or len(message) != 4 or message[0] != 1:
            raise Malformed("expected a response")
        _, message_id, error, result = message
        reply = self._open.pop(message_id, None)
        if reply is None:
            raise Malformed(f"a response to no request: id {message_id}")
        if error is None:
            reply.value = result
        else:
            reply.error = errors.from_wire(error)


def connect(host: str, port: int, unix: Optional[str], timeout: Optional[float]) -> Connection:
    """A new connection, by the path of a Unix socket where one is given."""
    address = unix or f"{host}:{port}"
    try:
        if unix is not None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout)
                sock.connect(unix)
            except OSError:
                sock.close()
                raise
        else:
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except socket.timeout:
        raise errors.Timeout(f"no connection to {address} in time") from None
    except OSError as error:
        raise errors.ConnectionLost(f"no connection to {address}: {error}") from None
    return Connection(sock)
