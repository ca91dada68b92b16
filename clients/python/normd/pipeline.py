# SPDX-License-Identifier: Apache-2.0
"""Many requests in flight: send first, read the answers later."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, List, Optional, Type, TypeVar

from normd import calls, results
from normd.request import Request

if TYPE_CHECKING:
    from normd.client import Client

Result = TypeVar("Result")


class Future(Generic[Result]):
    """An answer that may still be on its way."""

    def __init__(self, client: Client, request: Request, call: calls.Call[Result]) -> None:
        self._client = client
        self._request = request
        self._call = call

    @property
    def done(self) -> bool:
        """Whether result() would give its answer at once."""
        return self._request.done

    def result(self) -> Result:
        """Waits for the answer, until the client's deadline; raises what the call would raise."""
        return self._result(self._client._until())

    def _result(self, until: Optional[float]) -> Result:
        return self._call.parse(self._client._wait(self._request, until))


class Pipeline:
    """Sends each call at once and waits for all answers at the end of the `with` block.

    The block raises the first error among the answers; each future keeps its own.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._futures: List[Future[Any]] = []

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self.wait()

    def submit(self, call: calls.Call[Result]) -> Future[Result]:
        """Sends any call of normd.calls."""
        future = self._client.submit(call)
        self._futures.append(future)
        return future

    def wait(self) -> None:
        """Waits for every answer so far, all by one deadline; raises the first error."""
        first: Optional[Exception] = None
        until = self._client._until()
        for future in self._futures:
            try:
                future._result(until)
            except Exception as error:  # noqa: BLE001 - kept to be raised below
                first = first or error
        self._futures.clear()
        if first is not None:
            raise first

    def train(
        self,
        session: str,
        x: Any,
        target: Any,
        sample_weight: Any = None,
        mask: Any = None,
    ) -> Future[results.Train]:
        """See Client.train."""
        return self.submit(calls.train(session, x, target, sample_weight, mask))

    def evaluate(
        self,
        session: str,
        x: Any,
        target: Any,
        sample_weight: Any = None,
        mask: Any = None,
    ) -> Future[results.Evaluate]:
        """See Client.evaluate."""
        return self.submit(calls.evaluate(session, x, target, sample_weight, mask))

    def infer(self, session: str, x: Any) -> Future[results.Infer]:
        """See Client.infer."""
        return self.submit(calls.infer(session, x))

    def forward(
        self, session: str, x: Any, mask: Any = None, update_stats: Optional[bool] = None
    ) -> Future[results.Forward]:
        """See Client.forward."""
        return self.submit(calls.forward(session, x, mask, update_stats))

    def backward(
        self, session: str, step: int, dy: Any, apply: Optional[bool] = None
    ) -> Future[results.Backward]:
        """See Client.backward."""
        return self.submit(calls.backward(session, step, dy, apply))

    def step(self, session: str) -> Future[results.Step]:
        """See Client.step."""
        return self.submit(calls.step(session))

    def stats(
        self, session: str, layer: Optional[str] = None, convention: Optional[str] = None
    ) -> Future[results.Stats]:
        """See Client.stats."""
        return self.submit(calls.stats(session, layer, convention))

    def stats_recalibrate(
        self,
        session: str,
        x: Any = None,
        mask: Any = None,
        mode: Optional[str] = None,
        finish: Optional[bool] = None,
        restart: Optional[bool] = None,
    ) -> Future[results.Recalibration]:
        """See Client.stats_recalibrate."""
        return self.submit(calls.stats_recalibrate(session, x, mask, mode, finish, restart))

    def stats_batch(
        self, session: str, x: Any, mask: Any = None, layer: Optional[str] = None
    ) -> Future[results.BatchStats]:
        """See Client.stats_batch."""
        return self.submit(calls.stats_batch(session, x, mask, layer))

    def stats_drift(
        self, session: str, x: Any, layer: Optional[str] = None
    ) -> Future[results.Drift]:
        """See Client.stats_drift."""
        return self.submit(calls.stats_drift(session, x, layer))

    def ping(self) -> Future[str]:
        """See Client.ping."""
        return self.submit(calls.ping())
