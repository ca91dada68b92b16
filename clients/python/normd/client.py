# SPDX-License-Identifier: Apache-2.0
"""The client: one method of Python for each method of the wire."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Dict, List, Optional, Type, TypeVar, Union

from normd import calls, errors, results
from normd.calls import Named
from normd.connection import Address
from normd.exchange import Exchange
from normd.pipeline import Future, Pipeline
from normd.request import Request
from normd.session import Session

DEFAULT_PORT = 6676
DEFAULT_TIMEOUT = 60.0
DEFAULT_DEADLINE = 60.0

Result = TypeVar("Result")


class _Default:
    """Stands for the client's own deadline, since None is a deadline, too."""


DEFAULT = _Default()
Deadline = Union[float, None, _Default]


class Client:
    """A daemon, over as many connections as it takes, until close().

    A call is tried until its deadline: while there is no connection, when one ends, and when the
    daemon answers BUSY, STORE_FAILED or SHUTTING_DOWN. Mutations carry the client's name and a
    number, by which the daemon applies each exactly once; the package's README says what is
    promised, and what is not.

    Any thread may call. There is one lock: a call holds it from its first byte sent to its last
    byte received, so calls of several threads run one after another. For calls side by side, give
    each thread a client, or use a pipeline. A client belongs to the process that made it: after a
    fork, make a new one.

    Arrays: anything that np.asarray takes. C-contiguous little-endian arrays are sent without a
    copy; large answers are received into the memory of the array that is returned. What is
    submitted, for an answer later on, is copied, because it may have to be sent again.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        unix: Optional[str] = None,
        timeout: Optional[float] = DEFAULT_TIMEOUT,
        deadline: Optional[float] = DEFAULT_DEADLINE,
        client: Optional[str] = None,
        exactly_once: bool = True,
        wait: bool = False,
    ) -> None:
        """Connects, in one attempt; with `wait`, until the deadline.

        `deadline`: the seconds for a call with all its attempts; None is for ever. `timeout`: for
        one attempt to connect, and how long the daemon may be silent before the connection counts
        as lost. `client`: a name of 1 to 128 bytes that nobody else uses at the same time, whose
        numbers go on where they were; by default a new one. `exactly_once=False` sends no numbers:
        then a mutation whose connection ends is not sent again.
        """
        self._deadline = deadline
        self._lock = threading.Lock()
        self._closed = False
        self._exchange = Exchange(Address(host, port, unix), timeout, client, exactly_once)
        self._exchange.connect(self._until(), wait)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The name under which the daemon counts this client's mutations."""
        return self._exchange.numbers.name

    def close(self) -> None:
        """Closes the connection for good: later calls raise ClientClosed.

        Answers that are still open fail with ConnectionLost.
        """
        with self._lock:
            self._closed = True
            self._exchange.close()

    # ---- Any call ----

    def run(self, call: calls.Call[Result], deadline: Deadline = DEFAULT) -> Result:
        """Sends one call and waits for its answer; `deadline` in seconds, for this call alone."""
        until = self._until(deadline)
        with self._lock:
            self._check_open()
            request = self._exchange.submit(call.method, call.fields, until, keep=False)
            answer = self._exchange.wait(request, until)
        return call.parse(answer)

    def submit(self, call: calls.Call[Result], deadline: Deadline = DEFAULT) -> Future[Result]:
        """Sends one call of normd.calls; its answer is waited for by the future."""
        until = self._until(deadline)
        with self._lock:
            self._check_open()
            request = self._exchange.submit(call.method, call.fields, until, keep=True)
        return Future(self, request, call)

    def pipeline(self) -> Pipeline:
        """Many calls in flight: `with client.pipeline() as p: p.train(...)`."""
        return Pipeline(self)

    def _check_open(self) -> None:
        if self._closed:
            raise errors.ClientClosed("this client is closed; make a new one with normd.connect()")

    def _until(self, deadline: Deadline = DEFAULT) -> Optional[float]:
        """The moment that so many seconds from now is."""
        seconds = self._deadline if isinstance(deadline, _Default) else deadline
        return None if seconds is None else time.monotonic() + seconds

    def _wait(self, request: Request, until: Optional[float]) -> Any:
        with self._lock:
            return self._exchange.wait(request, until)

    # ---- The daemon ----

    def ping(self) -> str:
        """"pong"."""
        return self.run(calls.ping())

    def hello(self, client: Optional[str] = None, token: Optional[str] = None) -> results.Hello:
        """Says who calls and asks who answers."""
        return self.run(calls.hello(client, token))

    def info(self) -> results.ServerInfo:
        """The daemon's version, load and limits."""
        return self.run(calls.info())

    def save(self, name: Optional[str] = None) -> results.Save:
        """Copies the daemon's data directory, with all sessions as they are, while they train.

        The copy lies on the daemon's machine. `name` is the time unless it is given. A copy of that
        name is never written over.
        """
        return self.run(calls.save(name))

    # ---- Sessions ----

    def create(
        self,
        session: str,
        layers: calls.Layers,
        *,
        input: Any = None,
        loss: Optional[Named] = None,
        metrics: Optional[List[Named]] = None,
        optimizer: Optional[Named] = None,
        convention: Optional[str] = None,
        dtype: Optional[str] = None,
        seed: Optional[int] = None,
        if_exists: Optional[str] = None,
    ) -> Session:
        """Makes a session. What is left out takes the convention's default.

        `if_exists` is "error", "ok" (the one that is there, when it was made the same) or
        "replace". `optimizer` is a name or a map, as `{"type": "adamw", "lr": 1e-3, "no_decay":
        ["norm", "bias"], "groups": [{"match": 3, "lr": 1e-4}], "clip_grad_norm": 1.0}`; the options
        are those of torch.optim's or keras.optimizers' class, by `convention`.
        """
        call = calls.create(
            session,
            layers,
            input=input,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer,
            convention=convention,
            dtype=dtype,
            seed=seed,
            if_exists=if_exists,
        )
        return Session(self, session, self.run(call))

    def session(self, name: str) -> Session:
        """A handle to a session that is there, or will be; asks nothing."""
        return Session(self, name)

    def list(self) -> List[str]:
        """The names of all sessions."""
        return self.run(calls.list_sessions())

    def describe(self, session: str, convention: Optional[str] = None) -> Dict[str, Any]:
        """The whole configuration, every default filled in, and the parameter counts."""
        return self.run(calls.describe(session, convention))

    def delete(self, session: str) -> bool:
        """Deletes the session and its state."""
        return self.run(calls.delete(session))

    def export(
        self,
        session: str,
        format: str = "safetensors",
        *,
        optimizer: Optional[bool] = None,
        fold: Optional[bool] = None,
    ) -> results.Export:
        """The session as a file.

        "safetensors" has parameters, statistics, optimizer slots and the configuration; "npz" what
        Keras' get_weights gives. `optimizer` says whether the slots are in the file. With `fold`
        each batch norm goes into the linear layer or convolution before it.
        """
        return self.run(calls.export(session, format, optimizer, fold))

    def import_(
        self, session: str, data: bytes, format: Optional[str] = None
    ) -> results.Import:
        """Sets the session's state from a file of either format, told by its first bytes.

        Makes the session when there is none and the file has its configuration.
        """
        return self.run(calls.import_(session, data, format))

    def convert(
        self, session: str, convention: str, optimizer: Optional[Named] = None
    ) -> results.Convert:
        """Goes on in the other convention's words, with the same numbers.

        `optimizer` replaces one that the two conventions compute in other ways.
        """
        return self.run(calls.convert(session, convention, optimizer))

    def copy(
        self,
        session: str,
        to: str,
        weights: Optional[str] = None,
        if_exists: Optional[str] = None,
    ) -> Session:
        """Makes the session `to` from the state of another, which trains on meanwhile.

        With weights="average" it has the average that the optimizer keeps of them; recalibrate its
        statistics before it serves. if_exists="replace" replaces a session of that name.
        """
        self.run(calls.copy(session, to, weights, if_exists))
        return Session(self, to)

    def optimizer_set(
        self,
        session: str,
        lr: Optional[float] = None,
        weight_lr: Optional[float] = None,
        bias_lr: Optional[float] = None,
        schedule: Optional[Named] = None,
        averaging: Optional[Named] = None,
        metric: Optional[float] = None,
    ) -> results.OptimizerSet:
        """Changes the optimizer of a living session, as g["lr"] = ... does in PyTorch.

        "none" takes a schedule or an average away. A metric, alone, is for reduce_on_plateau.
        """
        return self.run(
            calls.optimizer_set(session, lr, weight_lr, bias_lr, schedule, averaging, metric)
        )

    # ---- Batches ----

    def train(
        self,
        session: str,
        x: Any,
        target: Any,
        sample_weight: Any = None,
        mask: Any = None,
    ) -> results.Train:
        """One optimizer step on a batch.

        `sample_weight`: a number of 0 or more for each sample. `mask`: as of forward; the loss of
        masked positions is left out by sample weights alone.
        """
        return self.run(calls.train(session, x, target, sample_weight, mask))

    def evaluate(
        self,
        session: str,
        x: Any,
        target: Any,
        sample_weight: Any = None,
        mask: Any = None,
    ) -> results.Evaluate:
        """The loss of a batch in eval mode; changes nothing."""
        return self.run(calls.evaluate(session, x, target, sample_weight, mask))

    def infer(self, session: str, x: Any) -> results.Infer:
        """The output in eval mode; changes nothing."""
        return self.run(calls.infer(session, x))

    def forward(
        self, session: str, x: Any, mask: Any = None, update_stats: Optional[bool] = None
    ) -> results.Forward:
        """Training-mode output; the daemon keeps what backward needs. `mask`: true counts."""
        return self.run(calls.forward(session, x, mask, update_stats))

    def backward(
        self, session: str, step: int, dy: Any, apply: Optional[bool] = None
    ) -> results.Backward:
        """Gradients of a forward step. `apply=False` only adds them up, for `step`."""
        return self.run(calls.backward(session, step, dy, apply))

    def step(self, session: str) -> results.Step:
        """The optimizer's step with the gradients that backward added up."""
        return self.run(calls.step(session))

    def stats(
        self, session: str, layer: Optional[str] = None, convention: Optional[str] = None
    ) -> results.Stats:
        """Running statistics, gamma and beta of every batch norm, or of one by its name."""
        return self.run(calls.stats(session, layer, convention))

    def stats_reset(self, session: str, layer: Optional[str] = None) -> results.Step:
        """Running means to 0, variances to 1, counters to 0."""
        return self.run(calls.stats_reset(session, layer))

    def stats_recalibrate(
        self,
        session: str,
        x: Any = None,
        mask: Any = None,
        mode: Optional[str] = None,
        finish: Optional[bool] = None,
        restart: Optional[bool] = None,
    ) -> results.Recalibration:
        """Collects a batch for new running statistics, with the weights as they are.

        `finish` (True unless said) puts what was collected in their place; x may then be left out.
        `mode` is "pooled" or "mean_of_variances" (as torch.optim.swa_utils.update_bn).
        """
        return self.run(calls.stats_recalibrate(session, x, mask, mode, finish, restart))

    def stats_freeze(
        self, session: str, layer: Optional[str] = None, parameters: Optional[bool] = None
    ) -> results.Step:
        """Batch norms normalize with their running statistics in training, too, and do not learn;
        with parameters=False gamma and beta go on to learn."""
        return self.run(calls.stats_freeze(session, layer, parameters))

    def stats_thaw(
        self, session: str, layer: Optional[str] = None, parameters: Optional[bool] = None
    ) -> results.Step:
        """The opposite of stats_freeze."""
        return self.run(calls.stats_thaw(session, layer, parameters))

    def stats_batch(
        self, session: str, x: Any, mask: Any = None, layer: Optional[str] = None
    ) -> results.BatchStats:
        """Mean and variance of what each batch norm would find in this batch; changes nothing."""
        return self.run(calls.stats_batch(session, x, mask, layer))

    def stats_drift(self, session: str, x: Any, layer: Optional[str] = None) -> results.Drift:
        """How far a batch is from the running statistics; changes nothing."""
        return self.run(calls.stats_drift(session, x, layer))


def connect(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    unix: Optional[str] = None,
    timeout: Optional[float] = DEFAULT_TIMEOUT,
    deadline: Optional[float] = DEFAULT_DEADLINE,
    client: Optional[str] = None,
    exactly_once: bool = True,
    wait: bool = False,
) -> Client:
    """A client that is connected; use it in a `with` statement. See Client for the options."""
    return Client(
        host,
        port,
        unix=unix,
        timeout=timeout,
        deadline=deadline,
        client=client,
        exactly_once=exactly_once,
        wait=wait,
    )
