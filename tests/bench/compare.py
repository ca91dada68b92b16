#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our batch norm beside PyTorch, oneDNN and plain passes over memory, in turns in one run.

    compare.py [--shapes "64,256 32,64,56,56"] [--operations train_forward] [--threads 2] ...

Prints a table with ratios and shares of what memory can do, and writes JSON. README.md says how
it measures and how to read it.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import points
import programs
import report

TOP = Path(__file__).resolve().parents[2]
# Plain passes over memory, of which the fastest in each row counts.
COPIES = ["copy", "copy_streamed"]
READS = ["read"]
WRITES = ["write", "write_streamed"]
ARRAYS = 2  # that a pass of reads or of writes goes over
SETTINGS = ["torch_memory", "rounds", "most_rounds", "quiet", "nice", "repetitions",
            "milliseconds"]


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", default=TOP / "build-bench", help="where bin/bench-* are")
    parser.add_argument("--peers", default=TOP / "build-peers", help="what setup_peers.sh made")
    parser.add_argument("--python", help="a Python with PyTorch (default: of --peers)")
    parser.add_argument("--onednn", help="where oneDNN's lib/ is (default: --peers)")
    parser.add_argument("--without", nargs="*", default=[], choices=["torch", "onednn"])
    parser.add_argument("--instruction-set", help="force ours")
    parser.add_argument("--torch-memory", default="huge", choices=programs.TORCH_MEMORY,
                        help="PyTorch's results: as they come, kept when freed, and with huge pages")
    parser.add_argument("--shapes", help="of the table, or others: \"64,256 32,64,56,56\"")
    parser.add_argument("--operations", nargs="*", default=points.OPERATIONS, choices=points.OPERATIONS)
    parser.add_argument("--dtypes", nargs="*", default=["float32", "bfloat16"], choices=points.DTYPE_BYTES)
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=6, help="turns of each program at each point")
    parser.add_argument("--repetitions", type=int, default=3, help="samples in each turn")
    parser.add_argument("--milliseconds", type=int, default=20, help="least length of a sample")
    parser.add_argument("--patience", type=float, default=2.0,
                        help="seconds to wait for a quiet machine before each round, at most")
    parser.add_argument("--quiet", type=float, default=0.1,
                        help="share of the machine that others may use in a turn that counts")
    parser.add_argument("--nice", type=int, default=0,
                        help="of every program that is measured; below 0 needs root")
    parser.add_argument("--most-rounds", type=int, default=24, help="when turns are not quiet")
    parser.add_argument("--json", default="bench.json", help="where the results go")
    return parser.parse_args()


class Lane:
    """One program with one operation and layout: what takes turns with the others."""

    def __init__(self, program, operation, layout):
        self.program, self.operation, self.layout = program, operation, layout
        self.turns = []
        self.absent = None  # why, where the program does not have the operation

    def take_turn(self, options, dtype, shape, threads):
        """`options` has repetitions and milliseconds."""
        try:
            self.turns.append(self.program.time(self.operation, dtype, self.layout, shape, threads,
                                                options.repetitions, options.milliseconds))
        except programs.Absent as absent:
            self.absent = f"{dtype}: {absent}"

    def is_settled(self, options):
        """Whether half of the turns that were asked for were quiet, or there are none to be had."""
        quiet = sum(turn["disturbed"] <= options.quiet for turn in self.turns)
        return self.absent is not None or (
            len(self.turns) >= options.rounds and quiet >= (options.rounds + 1) // 2)

    def summary(self, options):
        """The median over the quietest turns, half as many as rounds were asked for."""
        quiet = sorted(self.turns, key=lambda turn: turn["disturbed"])[:(options.rounds + 1) // 2]
        samples = [one for turn in quiet for one in turn["seconds"]]
        every = [one for turn in self.turns for one in turn["seconds"]]
        return {
            "program": self.program.name,
            "operation": self.operation,
            "layout": self.layout,
            "median": statistics.median(samples),
            "spread": (max(samples) - min(samples)) / statistics.median(samples),
            "least": min(every),
            "turns": len(self.turns),
            "disturbed": max(turn["disturbed"] for turn in quiet),
        }


def measure_point(options, ours, peers, dtype, shape, threads):
    """All lanes of a shape, in turns; each round starts with another one. A lane with turns enough
    waits for the others. Ends early where ours does not have the type."""
    lanes = [Lane(program, operation, layout)
             for program in [ours, *peers] for operation in options.operations
             for layout in points.layouts(shape)]
    lanes += [Lane(ours, one, "first") for one in [*COPIES, *READS, *WRITES]]
    for turn in range(options.most_rounds):
        waiting = [lane for lane in lanes if not lane.is_settled(options)]
        programs.wait_until_quiet(options.patience if waiting else 0)
        start = turn % max(len(waiting), 1)
        for lane in waiting[start:] + waiting[:start]:
            lane.take_turn(options, dtype, shape, threads)
            if lanes[0].absent:
                return [], [lanes[0].absent]
    absent = [lane.absent for lane in lanes if lane.absent]
    return [lane.summary(options) for lane in lanes if not lane.absent], absent


def median_of(summary):
    return summary["median"]


def fastest(summaries):
    return min(summaries, key=median_of, default=None)


def ratio(peer, ours):
    return peer["median"] / ours["median"] if peer else None


def passes_of(summaries):
    """The fastest copy, read and write, and the seconds that each takes for one array."""
    found = {}
    for name, operations, arrays in (("copy", COPIES, 1), ("read", READS, ARRAYS), ("write", WRITES, ARRAYS)):
        best = fastest(one for one in summaries if one["operation"] in operations)
        found[name] = {**best, "seconds": best["median"] / arrays}
    return found


def bound(passes, reads, writes):
    """Seconds of so many reads and writes of an array: each write goes along with a read, as fast as
    the copy or the two one after another; reads that remain go alone."""
    pair = min(passes["copy"]["seconds"], passes["read"]["seconds"] + passes["write"]["seconds"])
    return writes * pair + (reads - writes) * passes["read"]["seconds"]


def row_of(ours, summaries, passes):
    """One layout of ours against the fastest peers in their better layouts."""
    operation = ours["operation"]
    peers = [one for one in summaries if one["program"] != ours["program"] and one["operation"] == operation]
    best = {name: fastest(one for one in peers if one["program"] == name)
            for name in dict.fromkeys(one["program"] for one in peers)}
    copy = passes["copy"]["seconds"] / 2  # of one pass over the batch
    cached, memory = points.PASSES[operation]
    bounds = [bound(passes, *moves) for moves in points.MOVES[operation]]
    return {
        "operation": operation, "layout": ours["layout"], "ours": ours, "peers": best, **passes,
        "ratio": ratio(fastest(peers), ours),
        "ratio_same_layout": ratio(
            fastest(peer for peer in peers if peer["layout"] == ours["layout"]), ours),
        "share_cached": cached * copy / ours["median"],
        "share_memory": memory * copy / ours["median"],
        "bound_cached": bounds[0] / ours["median"],
        "bound_memory": bounds[1] / ours["median"],
    }


def rows_of(options, summaries, dtype, shape, threads):
    """A row for each operation and layout of ours."""
    if not summaries:
        return
    passes = passes_of(summaries)
    size = points.values(shape) * points.DTYPE_BYTES[dtype]
    for one in summaries:
        if one["program"] == "normd" and one["operation"] in options.operations:
            yield {"dtype": dtype, "threads": threads, "shape": list(shape), "bytes": size,
                   "quiet": options.quiet, **row_of(one, summaries, passes)}


def start_peers(options, threads):
    peers = []
    if "torch" not in options.without:
        python = options.python or Path(options.peers) / "bin" / "python"
        peers.append(programs.torch(python, options.nice, options.torch_memory))
    if "onednn" not in options.without:
        root = options.onednn or options.peers
        peers.append(programs.onednn(options.build, root, options.nice, threads))
    return peers


def write_results(options, results):
    Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measure(options, results, threads):
    ours = programs.ours(options.build, options.nice, options.instruction_set)
    peers = start_peers(options, threads)
    results["programs"] = {one.name: one.info for one in [ours, *peers]}
    shapes = points.SHAPES
    if options.shapes:
        shapes = [points.parse_shape(text) for text in options.shapes.split()]
    for dtype in options.dtypes:
        for shape in shapes:
            summaries, absent = measure_point(options, ours, peers, dtype, shape, threads)
            results["absent"] += absent
            for row in rows_of(options, summaries, dtype, shape, threads):
                results["rows"].append(row)
                print(report.line(row), flush=True)
            write_results(options, results)
    for program in [ours, *peers]:
        program.close()


def main():
    options = read_arguments()
    results = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"), "cpus": os.cpu_count(),
        "settings": {key: getattr(options, key) for key in SETTINGS},
        "load_before": os.getloadavg(), "rows": [], "absent": [],
    }
    print(report.head(), flush=True)
    for threads in options.threads:
        measure(options, results, threads)
    results["load_after"] = os.getloadavg()
    results["means"] = report.means(results["rows"])
    write_results(options, results)
    print(report.foot(results))


if __name__ == "__main__":
    main()
