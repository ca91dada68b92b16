# SPDX-License-Identifier: Apache-2.0
"""Looks at what a daemon has after a power cut: is it some prefix of what was done, with all that was
promised, and does it go on from there?"""

from __future__ import annotations

from typing import Dict, List, Set, Tuple

import workload
from clients import Crew
from harness.rpc import Rpc, RpcError
from workload import MAKER, Acknowledged

# Mutations that are sent anew after the cut.
GO_ON = 12


class Aftermath:
    """A daemon that was started on what was left."""

    def __init__(
        self,
        rpc: Rpc,
        crew: Crew,
        sessions: Dict[str, List[Acknowledged]],
        exports: Dict[Tuple[str, int], str],
    ) -> None:
        self.rpc, self.crew, self.sessions, self.exports = rpc, crew, sessions, exports
        self.there: List[str] = rpc.call("session.list")["sessions"]
        self.versions: Dict[str, int] = {}
        self.seqs: Dict[str, int] = {}
        self.steps = {(c.name, seq): step for c in crew.clients for seq, step in c.steps.items()}

    def judge(self, promised: List[Acknowledged]) -> List[str]:
        """Everything that is wrong."""
        wrong = self._states() + self._numbers() + self._promises(promised)
        # What follows would only say the same again.
        return wrong or self._answers_again() or self._goes_on()

    def _states(self) -> List[str]:
        wrong = []
        for name in self.there:
            version, data = workload.export(self.rpc, name)
            self.versions[name] = version
            if self.exports.get((name, version)) != data:
                wrong.append(f"{name}: version {version} has other bits than it ever had")
        return wrong

    def _applied(self, client: str) -> Set[int]:
        """The seqs of a client that are in the sessions as they are."""
        if client == MAKER:
            return {c.seq for c in workload.creations() if c.session in self.versions}
        return {
            ack.seq for done in self.sessions.values() for ack in done
            if ack.client == client and ack.version <= self.versions.get(ack.session, -1)
        }

    def _numbers(self) -> List[str]:
        wrong = []
        for client in [self.crew.maker, *self.crew.clients]:
            seq = self.rpc.call("hello", client=client.name)["seq"]
            self.seqs[client.name] = seq
            applied = self._applied(client.name)
            if applied != set(range(1, seq + 1)):
                odd = sorted(applied ^ set(range(1, seq + 1)))[:5]
                wrong.append(f"{client.name}: hello says {seq}, which does not fit to: {odd}")
        return wrong

    def _promises(self, promised: List[Acknowledged]) -> List[str]:
        lost = [ack for ack in promised if ack.version > self.versions.get(ack.session, -1)]
        return [f"promised and lost: {len(lost)}, the first {lost[0]}"] if lost else []

    def _send(self, ack: Acknowledged) -> Tuple[int, str]:
        """Sends the mutation again, or anew."""
        change = self.crew.mutations[ack.client, ack.seq]
        params = dict(change.params, session=change.session, client=ack.client, seq=ack.seq)
        if change.after is not None:
            params["step"] = self.steps[ack.client, change.after]
        answer = self.rpc.call(change.method, **params)
        if "step" in answer:
            self.steps[ack.client, ack.seq] = answer["step"]
        return answer["version"], workload.digest(answer)

    def _try(self, ack: Acknowledged, when: str) -> List[str]:
        try:
            answer = self._send(ack)
        except RpcError as error:
            return [f"{when}: {ack}: {error}"]
        return [] if answer == (ack.version, ack.digest) else [f"{when}: {ack}: another answer"]

    def _answers_again(self) -> List[str]:
        wrong = []
        for client in self.crew.clients:
            seq = self.seqs[client.name]
            if seq > 0:
                wrong += self._try(client.acks[seq - 1], "sent again")
        for name in self.there:
            if workload.export(self.rpc, name)[0] != self.versions[name]:
                wrong.append(f"{name}: what was sent again was applied again")
        return wrong

    def _goes_on(self) -> List[str]:
        """Sends lost mutations anew, each where it was in its session and its client's order."""
        wrong: List[str] = []
        if len(self.there) < len(self.sessions):
            return wrong
        sent = 0
        moved = True
        while moved and sent < GO_ON and not wrong:
            moved = False
            for name, done in self.sessions.items():
                if self.versions[name] == len(done):
                    continue
                ack = done[self.versions[name]]
                if self.seqs[ack.client] == ack.seq - 1:
                    wrong += self._try(ack, "sent anew")
                    self.versions[name] += 1
                    self.seqs[ack.client] += 1
                    sent, moved = sent + 1, True
        return wrong + self._states() if not wrong else wrong
