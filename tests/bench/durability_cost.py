#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What durability costs: steps a second in memory, with `--fsync no`, `everysec` and `always`, and
Redis with the same appendfsync beside it. Everything in one run, on one disk, in turns.

    cmake --build BUILD --target normd bench-load
    tests/bench/durability_cost.py --build BUILD [--data DIR] [--quick]

Prints Markdown and writes it, with all turns as JSON, to tests/bench/results. The README says how
it is measured.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import durability_report
import load
import many_sessions
import numpy as np
import programs
from durability_programs import (MODES, Daemon, Redis, check_build, file_system, redis_version,
                                 sync_seconds)

HERE = Path(__file__).resolve().parent
GROUPS = ["steps", "commits", "adam", "many", "recovery"]
BATCH = (256, 1024)
SMALL = (2, 1024)  # a cheap step of the same state
LANES = [None, *MODES]  # None: in memory
ADAM_LAYERS = [{"type": "linear", "out_features": 1024}, {"type": "batch_norm"}, {"type": "relu"},
               {"type": "linear", "out_features": 1024}, {"type": "batch_norm"}, {"type": "relu"},
               {"type": "linear", "out_features": 10}]


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True, help="a release build with normd and bench-load")
    parser.add_argument("--data", type=Path, help="where the data directories go (a folder in the build)")
    parser.add_argument("--groups", nargs="*", default=GROUPS, choices=GROUPS)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each lane")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn; less would leave turns without the sync of everysec")
    parser.add_argument("--skip", type=float, default=0.1, help="seconds before each turn that do not count")
    parser.add_argument("--patience", type=float, default=1.0,
                        help="seconds to wait for a quiet machine before each turn, at most")
    parser.add_argument("--sessions", type=int, default=10000, help="of the group many")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="where durability.json and .md go")
    parser.add_argument("--quick", action="store_true", help="to try it: two short rounds, 1000 sessions, no waiting")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.patience = 2, 0.5, 0.0
        options.sessions = min(options.sessions, 1000)
    options.build = options.build.resolve()
    return options


class Bench:
    """The servers and what was measured."""

    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.loader = options.build / "bin" / "bench-load"
        self.rows = []
        self.runs = 0
        self.commit_bytes = None  # what a commit adds to the journal
        self.servers = {}
        self.sessions = 0
        try:
            for mode in LANES:
                self.servers["normd", mode] = Daemon(options.build, directory / f"normd-{mode}", mode)
            for mode in MODES:
                self.servers["redis", mode] = Redis(directory / f"redis-{mode}", mode)
        except BaseException:
            self.close()
            raise

    def close(self):
        for server in self.servers.values():
            server.stop()

    def make_sessions(self, count, **configuration):
        """On every normd; returns their names, all of one length."""
        names = [f"session-{self.sessions + k:06d}" for k in range(count)]
        self.sessions += count
        for (program, _), server in self.servers.items():
            for name in names if program == "normd" else []:
                server.ask("session.create", session=name, **configuration)
        return names

    def delete_sessions(self, names):
        for (program, _), server in self.servers.items():
            for name in names if program == "normd" else []:
                server.ask("session.delete", session=name)

    def plan(self, make, *arguments, once=False):
        """A file for bench-load; with `once` under a client's name of its own."""
        self.runs += 1
        path = self.directory / "plan"
        return make(path, *arguments, f"bench-{self.runs}") if once else make(path, *arguments)

    def turn(self, lane, make, arguments, clients, once):
        server = self.servers[lane]
        plan = self.plan(make, *arguments, once=once)
        os.sync()  # what other lanes left to write is not this one's
        programs.wait_until_quiet(self.options.patience)
        return load.run(self.loader, server, plan, clients, self.options.skip, self.options.seconds)

    def compare(self, group, name, clients, lanes):
        """All lanes in turns, `rounds` times: {lane: (make, arguments, once)}. A row for each."""
        turns = {lane: [] for lane in lanes}
        for _ in range(self.options.rounds):
            for lane, (make, arguments, once) in lanes.items():
                turns[lane].append(self.turn(lane[:2], make, arguments, clients, once))
        for lane, found in turns.items():
            row = {"group": group, "name": name, "clients": clients, "program": lane[0],
                   "mode": lane[1], "once": len(lane) > 2, "turns": found,
                   **{key: statistics.median(turn[key] for turn in found) for key in found[0]}}
            self.rows.append(row)
            print(durability_report.line(row), flush=True)


def random_batch(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def batch_norm(bench, count, width=1024):
    return bench.make_sessions(count, layers=[{"type": "batch_norm"}], input=[width], loss="mse", optimizer="sgd")


def lanes_of(make, arguments):
    """One workload on every normd."""
    return {("normd", mode): (make, arguments, False) for mode in LANES}


def beside_redis(sessions, x, target, keys, size):
    """The same, and behind each mode Redis in the mode of that name."""
    lanes = {("normd", None): (load.train, (sessions, x, target), False)}
    for mode in MODES:
        lanes["normd", mode] = (load.train, (sessions, x, target), False)
        lanes["redis", mode] = (load.redis_set, (keys, size), False)
    return lanes


def with_and_without(make, arguments):
    """Each mode without client and seq, and right behind it with them."""
    lanes = {}
    for mode in LANES:
        lanes["normd", mode] = (make, arguments, False)
        lanes["normd", mode, "once"] = (make, arguments, True)
    return lanes


def measure_steps(bench):
    """One session with one client, with several, and a hundred sessions at once."""
    x, target = random_batch(BATCH), random_batch(BATCH, 2)
    one = batch_norm(bench, 1)
    bench.compare("steps", "train, one session", 1, with_and_without(load.train, (one, x, target)))
    bench.compare("steps", "forward + backward, one session", 1, with_and_without(load.pairs, (one, x)))
    bench.compare("steps", "train, one session", 4, lanes_of(load.train, (one, x, target)))
    bench.compare("steps", "train, one session", 50, lanes_of(load.train, (one, x, target)))
    hundred = batch_norm(bench, 100)
    bench.compare("steps", "train, 100 sessions", 100, lanes_of(load.train, (hundred, x, target)))
    bench.delete_sessions(one + hundred)


def state_bytes(bench, name, x, target):
    """What one committed step adds to the journal, from 200 of them."""
    server = bench.servers["normd", "no"]
    before = server.store()
    load.run(bench.loader, server, bench.plan(load.train, [name], x, target), 1, "requests", 200)
    after = server.store()
    if after["checkpoints"] != before["checkpoints"]:
        raise RuntimeError("a checkpoint came while a commit was measured")
    return round((after["journal_bytes"] - before["journal_bytes"]) / (after["commits"] - before["commits"]))


def measure_commits(bench):
    """Commits of a state beside SET of as many bytes, one session and one key a client."""
    x, target = random_batch(SMALL), random_batch(SMALL, 2)
    sessions = batch_norm(bench, 100)
    bench.commit_bytes = state_bytes(bench, sessions[0], x, target)
    for clients in (1, 50, 100):
        bench.compare("commits", "one session or key a client", clients,
                      beside_redis(sessions[:clients], x, target, clients, bench.commit_bytes))
    bench.compare("commits", "one session or key in all", 50,
                  beside_redis(sessions[:1], x, target, 1, bench.commit_bytes))
    bench.delete_sessions(sessions)


def adam_session(bench):
    return bench.make_sessions(1, layers=ADAM_LAYERS, input=[784], loss="cross_entropy",
                               optimizer={"type": "adam", "lr": 0.001})


def adam_batch():
    return random_batch((256, 784)), np.random.default_rng(5).integers(0, 10, 256)


def measure_adam(bench):
    """A state of 22 MB with a batch of 0.8 MB; one client, and four so that the way there and back
    goes beside the step."""
    name = adam_session(bench)
    bench.options.seconds *= 2  # 20 ms a step
    bench.compare("adam", "784-1024-1024-10, Adam", 1, with_and_without(load.train, (name, *adam_batch())))
    bench.compare("adam", "784-1024-1024-10, Adam", 4, lanes_of(load.train, (name, *adam_batch())))
    bench.options.seconds /= 2
    bench.delete_sessions(name)


def measure(options, directory, results):
    bench = Bench(options, directory)
    results["rows"] = bench.rows
    try:
        for group, run in (("steps", measure_steps), ("commits", measure_commits),
                           ("adam", measure_adam)):
            if group in options.groups:
                run(bench)
        results["commit_bytes"] = bench.commit_bytes
        results["stores"] = {mode: bench.servers["normd", mode].store() for mode in MODES}
    finally:
        bench.close()


def main():
    options = read_arguments()
    check_build(options.build)
    results = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"), "cpus": os.cpu_count(), "redis": redis_version(),
        "rounds": options.rounds, "seconds": options.seconds, "load_before": os.getloadavg(), "rows": [],
    }
    begin = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="durability-", dir=options.data or options.build))
    try:
        results["file_system"] = file_system(directory)
        results["sync_seconds"] = sync_seconds(directory, 16384, 100)
        if {"steps", "commits", "adam"} & set(options.groups):
            measure(options, directory, results)
        if "many" in options.groups:
            results["many"] = many_sessions.measure(options, directory)
        if "recovery" in options.groups:
            results["recovery"] = many_sessions.measure_recovery(options, directory, ADAM_LAYERS, adam_batch())
        results["sync_seconds_after"] = sync_seconds(directory, 16384, 100)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    results["load_after"], results["took"] = os.getloadavg(), time.monotonic() - begin
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "durability.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    markdown = "\n".join(durability_report.markdown(results)) + "\n"
    (options.out / "durability.md").write_text(markdown, encoding="utf-8")
    print("\n" + markdown)


if __name__ == "__main__":
    main()
