# SPDX-License-Identifier: Apache-2.0
"""The parts of durability_cost.py that start and kill daemons: ten thousand sessions, and what a
journal of requests takes to be done again."""

import shutil
import time

import load
import numpy as np
import programs
from durability_programs import Daemon

FEATURES, ROWS = 256, 64
CLIENTS = 16
LAYERS = {"layers": [{"type": "batch_norm"}], "input": [FEATURES], "loss": "mse"}


class Fleet:
    """One daemon with many sessions."""

    def __init__(self, options, directory, mode):
        self.options, self.directory, self.mode = options, directory, mode
        self.loader = options.build / "bin" / "bench-load"
        self.daemon = Daemon(options.build, directory, mode)
        self.names = [f"session-{number:06d}" for number in range(options.sessions)]
        self.result = {"mode": mode, "sessions": options.sessions, "resident_empty": self.daemon.resident()}

    def note(self, **figures):
        self.result.update(figures)
        print(f"many sessions, {self.mode or 'in memory'}:",
              ", ".join(f"{name} {value:.6g}" for name, value in figures.items()), flush=True)

    def run(self, plan, skip, amount):
        return load.run(self.loader, self.daemon, plan, CLIENTS, skip, amount)

    def create(self):
        plan = load.create(self.directory / "plan", self.names, LAYERS)
        turn = self.run(plan, "requests", len(self.names))
        self.note(created_per_second=turn["rate"], resident_created=self.daemon.resident())

    def train(self):
        """Over all sessions and over one alone, in turns."""
        generator = np.random.default_rng(6)
        x, target = generator.standard_normal((2, ROWS, FEATURES), np.float32)
        plans = [load.train(self.directory / f"plan-{len(names)}", names, x, target)
                 for names in (self.names, self.names[:1])]
        rates = [[], []]
        for _ in range(self.options.rounds):
            for plan, found in zip(plans, rates):
                programs.wait_until_quiet(self.options.patience)
                found.append(self.run(plan, self.options.skip, self.options.seconds)["rate"])
        middle = [sorted(found)[len(found) // 2] for found in rates]
        # Every session has been trained once for what it takes then.
        self.run(plans[0], "requests", len(self.names))
        self.note(steps_all=middle[0], steps_one=middle[1], resident_trained=self.daemon.resident())

    def restart(self, name, kill):
        journal = self.daemon.store()["journal_bytes"]
        stopped = self.daemon.kill() if kill else self.daemon.stop()
        self.daemon = Daemon(self.options.build, self.directory, self.mode)
        count = len(self.daemon.ask("session.list")["sessions"])
        if count != len(self.names):
            raise RuntimeError(f"{count} sessions after a restart, expected {len(self.names)}")
        self.note(**{f"start_after_{name}": self.daemon.start_seconds, f"journal_before_{name}": journal,
                     f"resident_after_{name}": self.daemon.resident(),
                     f"recovery_after_{name}": self.daemon.store()["recovery_seconds"]})
        if stopped is not None:
            self.note(stop_seconds=stopped)


def measure(options, directory):
    results = []
    for mode in (None, "everysec", "always"):
        fleet = Fleet(options, directory / f"many-{mode}", mode)
        try:
            fleet.create()
            if mode:
                fleet.restart("kill_created", True)
            fleet.train()
            if mode:
                fleet.restart("kill_trained", True)
                fleet.restart("clean_stop", False)
        finally:
            fleet.daemon.kill()
            shutil.rmtree(fleet.directory, ignore_errors=True)
        results.append(fleet.result)
    return results


def measure_recovery(options, directory, layers, batch):
    """The start after a kill -9 with two seconds of Adam's requests in the journal."""
    found = []
    loader = options.build / "bin" / "bench-load"
    for number in range(1 if options.quick else 3):
        place = directory / f"recovery-{number}"
        daemon = Daemon(options.build, place, "everysec")
        try:
            daemon.ask("session.create", session="m", layers=layers, input=[784], loss="cross_entropy",
                       optimizer={"type": "adam", "lr": 0.001})
            plan = load.train(directory / "plan", ["m"], *batch)
            turn = load.run(loader, daemon, plan, 1, 0, 2.0)
            version = daemon.ask("session.describe", session="m")["version"]
            store = daemon.store()
            daemon.kill()
            daemon = Daemon(options.build, place, "everysec")
            again = daemon.ask("session.describe", session="m")["version"]
            if again != version:
                raise RuntimeError(f"version {again} after the recovery, expected {version}")
            found.append({"steps": version, "rate": turn["rate"], "journal_bytes": store["journal_bytes"],
                          "checkpoints": store["checkpoints"], "start_seconds": daemon.start_seconds,
                          "recovery_seconds": daemon.store()["recovery_seconds"]})
            print("recovery:", ", ".join(f"{name} {value:.6g}" for name, value in found[-1].items()), flush=True)
        finally:
            daemon.kill()
            shutil.rmtree(place, ignore_errors=True)
        time.sleep(0.2)
    return found
