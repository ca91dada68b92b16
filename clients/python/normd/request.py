# SPDX-License-Identifier: Apache-2.0
"""One request: what to send, however often it takes, and the place for its answer."""

from __future__ import annotations

from typing import Any, List, Optional

from normd import encode, errors

_UNANSWERED = object()


class Request:
    """`order` is its place among the client's requests, and its id on the wire."""

    __slots__ = (
        "body", "error", "method", "mutation", "name", "number", "order", "ready", "refusals",
        "sent", "trouble", "uncertain", "value", "whole",
    )

    def __init__(self, order: int, method: str, body: encode.Body, mutation: bool) -> None:
        self.order = order
        self.method = method
        self.body = body
        self.mutation = mutation
        # The client's name and the number under which the daemon knows it; 0: none.
        self.name = ""
        self.number = 0
        # Whether it was ever sent; whether the kernel has all of it for this connection.
        self.sent = False
        self.whole = False
        # Whether a connection ended that had all of a mutation, so that it may have been applied.
        self.uncertain = False
        # Refusals that are tried again; when the next attempt is due; what came in the way.
        self.refusals = 0
        self.ready = 0.0
        self.trouble = ""
        self.value: Any = _UNANSWERED
        self.error: Optional[errors.Error] = None

    @property
    def done(self) -> bool:
        """Whether the answer is here, or never comes."""
        return self.value is not _UNANSWERED or self.error is not None

    @property
    def ident(self) -> int:
        """Its id on the wire."""
        return self.order & 0xFFFFFFFF

    def message(self) -> List[encode.Piece]:
        """Its bytes; the same ones for the same number."""
        more = {"client": self.name, "seq": self.number} if self.number else None
        return encode.message(self.ident, self.method, self.body, more)

    def fail(self, error: errors.Error) -> None:
        """Ends it; a reason that leaves open whether the mutation was applied says so."""
        if self.uncertain and isinstance(error, (errors.ConnectionLost, errors.Timeout)):
            error = type(error)(f"{error.message}; the mutation may have been applied")
            error.applied = None
        self.error = error
