# SPDX-License-Identifier: Apache-2.0
"""Gets requests answered: over as many connections and attempts as it takes.

Reads are sent again as they are. A mutation carries the client's name and a number, by which the
daemon applies it once however often it comes, so it is sent again under the same number. Requests
go out in the order in which they were submitted, on each connection anew.
"""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from normd import backoff, errors
from normd.calls import MUTATIONS
from normd.connection import Address, Broken, Connection, Expired
from normd.decode import Malformed
from normd.encode import Body
from normd.numbers import WINDOW, Numbers
from normd.request import Request

# The daemon counts this client's mutations in another way.
_DISAGREEMENTS = (errors.SeqGap, errors.SeqReused, errors.SeqTooOld, errors.UnknownClient)


class Exchange:
    """Not thread-safe. Deadlines are moments of time.monotonic(); None is never."""

    def __init__(
        self, address: Address, timeout: Optional[float], name: Optional[str], exactly_once: bool
    ) -> None:
        self.numbers = Numbers(name)
        self._address = address
        self._timeout = timeout
        # Whether mutations are numbered; None: the daemon was not asked whether it can.
        self._numbered: Optional[bool] = None if exactly_once else False
        # Whether the daemon's count may differ from ours.
        self._doubt = False
        self._unsettled: Set[int] = set()
        self._orders = 0
        self._waiting: List[Request] = []
        self._in_flight: Dict[int, Request] = {}
        self._connection: Optional[Connection] = None
        self._leaving = False
        # How many requests may be in flight. On a connection that follows a lost one it grows with
        # each answer: else connections that do not last would end before all was sent again.
        self._allowance: float = math.inf
        self._failures = 0
        self._dial_at = 0.0
        self._trouble = ""

    # ---- What Client does ----

    def connect(self, deadline: Optional[float], patient: bool) -> None:
        """Makes the first connection: in one attempt, or as many as it takes."""
        while self._connection is None:
            try:
                self._check(deadline)
                self._dial(deadline)
            except Expired:
                raise errors.DeadlineExceeded(self._trouble or "no connection in time") from None
            except Broken as error:
                self._lost(error)
                if not patient:
                    kind = errors.Timeout if error.silent else errors.ConnectionLost
                    raise kind(str(error)) from None

    def submit(
        self, method: str, fields: Mapping[str, Any], deadline: Optional[float], keep: bool
    ) -> Request:
        """Sends a request for the first time. `keep`: arrays are copied for the other times."""
        body = Body(fields, keep)
        mutation = method in MUTATIONS
        if mutation and self._numbered is not False:
            self._agree(deadline)
        request = Request(self._orders, method, body, mutation)
        self._orders += 1
        self._waiting.append(request)
        self._run(lambda: request.sent or request.done, deadline, request)
        if request.error is not None:
            raise request.error
        return request

    def wait(self, request: Request, deadline: Optional[float]) -> Any:
        """The answer's result; raises what became of the request otherwise."""
        self._run(lambda: request.done, deadline, request)
        if request.error is not None:
            raise request.error
        return request.value

    def close(self) -> None:
        """Ends the connection; open requests fail with ConnectionLost."""
        self._lost(Broken("closed by this client", fatal=True))
        for request in self._waiting:
            request.fail(errors.ConnectionLost("closed by this client"))
        self._waiting.clear()

    # ---- One thing at a time ----

    def _check(self, deadline: Optional[float]) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise Expired

    def _run(
        self, done: Callable[[], bool], deadline: Optional[float], request: Optional[Request]
    ) -> None:
        """Goes on until `done`; at the deadline the request, if any, is given up."""
        while not done():
            try:
                self._check(deadline)
                self._step(deadline)
            except Broken as error:
                self._lost(error)
            except Expired:
                self._give_up(request)
                return
            except BaseException:
                # An interrupt in the middle of a message: nobody could read on from here.
                self._lost(Broken("interrupted"))
                self._drop(request, errors.ConnectionLost("interrupted"))
                raise

    def _step(self, deadline: Optional[float]) -> None:
        if self._leaving and not self._in_flight:
            raise Broken("the daemon is shutting down")
        if self._connection is None:
            self._dial(deadline)
            return
        now = time.monotonic()
        request, due = self._next(now)
        if request is not None:
            self._send(self._connection, request, deadline)
            return
        silent = None if self._timeout is None or not self._in_flight else now + self._timeout
        until = min((t for t in (deadline, due, silent) if t is not None), default=None)
        if self._connection.readable(None if until is None else max(0.0, until - now)):
            self._connection.read(deadline)
        elif until is not None and until == silent:
            raise Broken(f"the daemon was silent for {self._timeout:g} s", silent=True)

    def _dial(self, deadline: Optional[float]) -> None:
        now = time.monotonic()
        rest = None if deadline is None else max(0.0, deadline - now)
        if now < self._dial_at:
            pause = self._dial_at - now
            time.sleep(pause if rest is None else min(pause, rest))
            return
        limit = min((t for t in (rest, self._timeout) if t is not None), default=None)
        sock = self._address.dial(limit)
        self._connection = Connection(sock, self._answered, self._timeout)

    def _next(self, now: float) -> Tuple[Optional[Request], Optional[float]]:
        """The request to send now, if any; else when the next is due."""
        due: Optional[float] = None
        blocked = False
        if len(self._in_flight) >= self._allowance:
            return None, None
        for request in self._waiting:
            if request.ready > now:
                due = request.ready if due is None else min(due, request.ready)
                blocked = blocked or request.mutation
            elif not request.mutation:
                return request, None
            elif blocked or not self._may_go(request):
                blocked = True
            else:
                return request, None
        return None, due

    def _may_go(self, request: Request) -> bool:
        """Whether a mutation, the first that waits, may be sent now."""
        if not self._numbered or request.number:
            return True
        if self._numbers_open() and any(r.number for r in self._in_flight.values()):
            # Those in flight may be refused for the hole below them; they keep their place.
            return False
        return not self._unsettled or self.numbers.next - min(self._unsettled) < WINDOW

    def _numbers_open(self) -> bool:
        return self.numbers.holes or self._doubt

    def _send(
        self, connection: Connection, request: Request, deadline: Optional[float]
    ) -> None:
        if request.mutation and self._numbered and not request.number:
            request.name = self.numbers.name
            request.number = self.numbers.take()
            self._unsettled.add(request.number)
        self._waiting.remove(request)
        self._in_flight[request.ident] = request
        request.sent = True
        connection.send(request.message(), deadline)
        request.whole = True

    # ---- What becomes of requests ----

    def _wait_again(self, request: Request) -> None:
        self._waiting.append(request)
        self._waiting.sort(key=lambda one: one.order)

    def _answered(self, ident: int, error: Any, result: Any) -> None:
        request = self._in_flight.pop(ident, None)
        if request is None:
            raise Malformed(f"a response to no request: id {ident}")
        self._failures = 0
        self._allowance += 1
        if error is None:
            request.value = result
            self._unsettled.discard(request.number)
            return
        refusal = errors.from_wire(error)
        again = isinstance(refusal, errors.RETRIED)
        if isinstance(refusal, errors.SeqGap) and request.number:
            again = self._renumber(request)
        if not again:
            self._refused(request, refusal)
            return
        self._leaving = self._leaving or isinstance(refusal, errors.ShuttingDown)
        request.refusals += 1
        request.ready = time.monotonic() + backoff.delay(request.refusals)
        request.trouble = str(refusal)
        request.whole = False
        self._wait_again(request)

    def _renumber(self, request: Request) -> bool:
        """Whether a mutation that found a gap below it can go again when the gap is closed."""
        lower_free = self.numbers.next < request.number
        lower_open = min(self._unsettled) < request.number
        if not request.uncertain and (lower_free or lower_open):
            self._give_back(request)
            return True
        # What may be under way under this number must not get another.
        return lower_open and not lower_free

    def _give_back(self, request: Request) -> None:
        self._unsettled.discard(request.number)
        self.numbers.give_back(request.number)
        request.number = 0

    def _refused(self, request: Request, refusal: errors.Error) -> None:
        """A final error: the mutation was not applied, so its number is free for the next.

        To a retry, CONTEXT_LOST and INTERNAL may say that only its answer is lost.
        """
        unclear = isinstance(refusal, (errors.ContextLost, errors.Internal)) and request.uncertain
        if request.number and (unclear or isinstance(refusal, _DISAGREEMENTS)):
            self._unsettled.discard(request.number)
            self._doubt = True
            if request.uncertain and not isinstance(refusal, errors.SeqReused):
                refusal.applied = None
        elif request.number:
            self._give_back(request)
        request.fail(refusal)

    def _lost(self, broken: Broken) -> None:
        """The connection is gone; what was in flight is sent again, or fails."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not self._leaving:
            self._failures += 1
        self._leaving = False
        self._allowance = 1
        self._dial_at = time.monotonic() + backoff.delay(max(1, self._failures))
        self._trouble = str(broken)
        kind = errors.Timeout if broken.silent else errors.ConnectionLost
        for request in list(self._in_flight.values()):
            del self._in_flight[request.ident]
            request.uncertain = request.uncertain or (request.whole and request.mutation)
            request.whole = False
            request.trouble = str(broken)
            if broken.fatal or (request.uncertain and not request.number):
                self._settle_unknown(request)
                request.fail(kind(str(broken)))
            else:
                self._wait_again(request)

    def _settle_unknown(self, request: Request) -> None:
        """Nobody waits for the request any more; its number may or may not be used up."""
        if request.number and request.uncertain:
            self._unsettled.discard(request.number)
            self._doubt = True
        elif request.number:
            self._give_back(request)

    def _give_up(self, request: Optional[Request]) -> None:
        waited = request is None or request.ident in self._in_flight
        trouble = "no answer" if waited else request.trouble or self._trouble
        # Half a message may have been read or written.
        self._lost(Broken(trouble))
        text = f"the deadline has passed; {trouble}"
        if request is None:
            raise errors.DeadlineExceeded(text)
        if request.mutation and not request.uncertain:
            text += "; the mutation was not applied"
        self._drop(request, errors.DeadlineExceeded(text))

    def _drop(self, request: Optional[Request], error: errors.Error) -> None:
        """Ends a request that is not in flight any more."""
        if request is None or (request.done and request.error is None):
            return
        if request in self._waiting:
            self._waiting.remove(request)
            self._settle_unknown(request)
        request.fail(error)

    # ---- Names and numbers ----

    def _agree(self, deadline: Optional[float]) -> None:
        """Asks whether the daemon numbers mutations, once; clears up what is in doubt."""
        if self._doubt:
            self._run(lambda: not self._unsettled, deadline, None)
            self._doubt = False
            if self.numbers.given is None:
                # Under another name nothing that is still on its way can come in between.
                self.numbers.renew()
            else:
                self._greet(deadline)
        if self._numbered is None:
            self._greet(deadline)

    def _greet(self, deadline: Optional[float]) -> None:
        """`hello` answers the number of the client's newest mutation, or has no such field."""
        try:
            request = self.submit("hello", {"client": self.numbers.name}, deadline, False)
            last = self.wait(request, deadline).get("seq")
        except (errors.NoSuchMethod, errors.BadArgument):
            last = None
        self._numbered = isinstance(last, int)
        if isinstance(last, int) and self.numbers.given is not None:
            self.numbers.renew(last)
