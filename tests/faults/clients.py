# SPDX-License-Identifier: Apache-2.0
"""Clients that send each mutation until it is acknowledged, with the same seq, and readers beside."""

from __future__ import annotations

import random
import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

import msgpack
import workload
from harness.rpc import Rpc, RpcError
from workload import Acknowledged, Mutation

# No mutation takes so long, whatever happens to the daemon: a test fails by it.
PATIENCE_SECONDS = 120

# The mutation was not applied, and may be later.
AGAIN = {"STORE_FAILED", "BUSY", "SHUTTING_DOWN"}


class Broken(Exception):
    """The connection is gone; whether the request was applied is not known."""


class Line:
    """A connection that is opened again when it breaks."""

    def __init__(self, connect: Callable[[], Rpc], client: Optional[str] = None) -> None:
        self.connect, self.client = connect, client
        self.rpc: Optional[Rpc] = None
        self.last_seq = 0  # what hello said

    def call(self, method: str, **params: object) -> dict:
        """Calls; Broken when the daemon went away, or is not there."""
        try:
            if self.rpc is None:
                self.rpc = self.connect()
                if self.client is not None:
                    self.last_seq = self.rpc.call("hello", client=self.client)["seq"]
            return self.rpc.call(method, **params)
        except (OSError, EOFError, msgpack.exceptions.UnpackException) as error:
            self.close()
            raise Broken(str(error)) from error

    def close(self) -> None:
        if self.rpc is not None:
            self.rpc.close()
            self.rpc = None


class Client:
    """Sends mutations one after another."""

    def __init__(self, connect: Callable[[], Rpc], name: str) -> None:
        self.name = name
        self.line = Line(connect, name)
        self.acks: List[Acknowledged] = []
        self.steps: Dict[int, int] = {}
        self.errors: Dict[str, int] = {}
        self.reconnected = 0
        self._chance = random.Random(name)

    def apply(self, change: Mutation) -> None:
        """Sends a mutation until it is acknowledged."""
        params = dict(change.params, session=change.session, client=self.name, seq=change.seq)
        if change.after is not None:
            params["step"] = self.steps[change.after]
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert time.monotonic() < end, f"{self.name}: {change.method} {change.seq} hangs"
            try:
                answer = self.line.call(change.method, **params)
                break
            except Broken:
                self.reconnected += 1
                time.sleep(self._chance.uniform(0.001, 0.01))
            except RpcError as error:
                if error.code not in AGAIN:
                    raise AssertionError(
                        f"{self.name}: {change.method} on {change.session}, seq {change.seq}: {error}"
                    ) from error
                self.errors[error.code] = self.errors.get(error.code, 0) + 1
                time.sleep(self._chance.uniform(0.001, 0.01))
        now = time.monotonic_ns()
        # Before it is sent, all of this client's mutations but this one are applied, once.
        assert self.line.last_seq <= change.seq, f"{self.name}: hello says {self.line.last_seq}"
        if "step" in answer:
            self.steps[change.seq] = answer["step"]
        self.acks.append(
            Acknowledged(
                self.name, change.seq, change.session, answer["version"],
                workload.digest(answer) if change.client != workload.MAKER else "", now,
            )
        )


class Crew:
    """Eight clients that train, and one that asks, each in a thread of its own."""

    def __init__(
        self, connect: Callable[[], Rpc], clients: int = 8, pause: float = 0.0, asking: bool = False
    ) -> None:
        self.maker = Client(connect, workload.MAKER)
        self.clients = [Client(connect, f"client-{number}") for number in range(clients)]
        self.mutations: Dict[Tuple[str, int], Mutation] = {}
        self.failures: List[str] = []
        self.answers: List[Tuple[str, int, str]] = []  # of infer: session, version, digest
        self.expected: Dict[str, Tuple[int, str]] = {}  # the exports of an uninterrupted run
        self.times_asked = 0
        self.slowest_answer = 0.0
        self._pause, self._stop = pause, threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(self._train, number), daemon=True)
            for number in range(clients)
        ]
        if asking:
            line = Line(connect)
            self._threads.append(
                threading.Thread(target=self._guarded, args=(self._ask, line), daemon=True)
            )

    def make_sessions(self) -> None:
        """Creates the sessions."""
        for creation in workload.creations():
            self.maker.apply(creation)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets each client have its current mutation acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_SECONDS)
        assert not self.failures, "\n".join(self.failures)

    def acks(self) -> List[Acknowledged]:
        """Everything acknowledged so far."""
        return [ack for client in [self.maker, *self.clients] for ack in list(client.acks)]

    def count(self) -> int:
        """How many mutations are acknowledged."""
        return sum(len(client.acks) for client in self.clients)

    def wait_for(self, more: int) -> None:
        """Waits until so many more are."""
        goal = self.count() + more
        end = time.monotonic() + PATIENCE_SECONDS
        while self.count() < goal:
            self.check()
            assert time.monotonic() < end, f"no {more} mutations were acknowledged"
            time.sleep(0.005)

    def check(self) -> None:
        """Fails when a client has."""
        assert not self.failures, "\n".join(self.failures)

    def errors(self) -> Dict[str, int]:
        """How often each error was answered."""
        total: Dict[str, int] = {}
        for client in self.clients:
            for code, count in client.errors.items():
                total[code] = total.get(code, 0) + count
        return total

    def _guarded(self, run: Callable[[object], None], argument: object) -> None:
        try:
            run(argument)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(f"{type(error).__name__}: {error}")

    def _train(self, number: int) -> None:
        client = self.clients[number]
        while not self._stop.is_set():
            change = workload.mutation(number, len(client.acks) + 1)
            self.mutations[change.client, change.seq] = change
            client.apply(change)
            if self._pause:
                time.sleep(self._pause)

    def _ask(self, line: Line) -> None:
        asked = workload.questions()
        newest = {name: 0 for name in asked}
        while not self._stop.is_set():
            for name, x in asked.items():
                begin = time.monotonic()
                try:
                    answer = line.call("infer", session=name, x=x)
                except Broken:
                    time.sleep(0.005)
                    continue
                self.times_asked += 1
                self.slowest_answer = max(self.slowest_answer, time.monotonic() - begin)
                version = answer["version"]
                assert version >= newest[name], f"{name}: {version} is served after {newest[name]}"
                newest[name] = version
                self.answers.append((name, version, workload.digest(answer)))
            time.sleep(0.002)
