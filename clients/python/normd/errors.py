# SPDX-License-Identifier: Apache-2.0
"""What can go wrong: one exception a code of the protocol, and four for the connection."""

from __future__ import annotations

from typing import Dict, Optional, Type


class Error(Exception):
    """The base of all errors of this package.

    `code` is the daemon's word ("BAD_SHAPE"), `message` its sentence. `applied` says whether the
    mutation that failed changed anything: False, no; None, that is not known. Of calls that change
    nothing it is False.
    """

    code = "ERROR"
    applied: Optional[bool] = False

    def __init__(self, message: str, code: str = "") -> None:
        if code:
            self.code = code
        self.message = message
        super().__init__(f"{self.code} {message}")


class ConnectionLost(Error):
    """The connection could not be made, or ended while a mutation without a number was on its way.

    `applied` is None when the mutation may have been applied. The next call connects anew.
    """

    code = "CONNECTION_LOST"


class Timeout(Error):
    """The answer did not come in time; the connection was closed. `applied` as of ConnectionLost."""

    code = "TIMEOUT"


class DeadlineExceeded(Timeout):
    """The call's deadline passed, whatever was tried. None for `applied`: it may have been applied.

    The daemon then applies it at most once; nothing sends it again.
    """

    code = "DEADLINE_EXCEEDED"


class ClientClosed(Error):
    """The client was closed, by close() or at the end of its `with`; nothing was sent."""

    code = "CLIENT_CLOSED"


class BadRequest(Error):
    """The message is no valid request."""

    code = "BAD_REQUEST"


class BadArgument(Error):
    """A field is missing, unknown, of the wrong type or out of range."""

    code = "BAD_ARGUMENT"


class BadShape(Error):
    """An array does not have the shape that the session needs."""

    code = "BAD_SHAPE"


class NoSuchMethod(Error):
    """The daemon has no method of this name."""

    code = "NO_SUCH_METHOD"


class NoSuchSession(Error):
    """The daemon has no session of this name."""

    code = "NO_SUCH_SESSION"


class SessionExists(Error):
    """A session of this name is there already."""

    code = "SESSION_EXISTS"


class NotFinite(Error):
    """A training batch holds or leads to NaN or infinity."""

    code = "NOT_FINITE"


class ContextLost(Error):
    """What backward needs of this forward step is no longer kept."""

    code = "CONTEXT_LOST"


class TooLarge(Error):
    """A message or a value is over its limit."""

    code = "TOO_LARGE"


class Busy(Error):
    """A budget of the daemon is used up; try again later."""

    code = "BUSY"


class NotAuthenticated(Error):
    """The connection has not said who it is."""

    code = "NOT_AUTHENTICATED"


class Forbidden(Error):
    """The connection may not do this."""

    code = "FORBIDDEN"


class SeqGap(Error):
    """A sequence number was left out."""

    code = "SEQ_GAP"


class SeqTooOld(Error):
    """The sequence number is older than what the daemon remembers."""

    code = "SEQ_TOO_OLD"


class SeqReused(Error):
    """The sequence number was used for another request."""

    code = "SEQ_REUSED"


class UnknownClient(Error):
    """The daemon does not know the client, or forgot it."""

    code = "UNKNOWN_CLIENT"


class StoreFailed(Error):
    """The change could not be made durable and was not made."""

    code = "STORE_FAILED"


class ShuttingDown(Error):
    """The daemon takes no new work."""

    code = "SHUTTING_DOWN"


class Internal(Error):
    """The daemon failed: out of memory or a bug."""

    code = "INTERNAL"


_BY_CODE: Dict[str, Type[Error]] = {kind.code: kind for kind in Error.__subclasses__()}
# The daemon did nothing, and may do it when it is asked again.
RETRIED = (Busy, StoreFailed, ShuttingDown)


def from_wire(error: object) -> Error:
    """The exception of a response's error, "CODE message"; Error itself for an unknown code."""
    text = error.decode("utf-8", "replace") if isinstance(error, bytes) else str(error)
    code, _, message = text.partition(" ")
    kind = _BY_CODE.get(code)
    return kind(message) if kind else Error(message, code)
