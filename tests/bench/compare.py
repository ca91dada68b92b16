#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our batch norm beside PyTorch, oneDNN and a plain copy, in turns in one run.

    compare.py [--shapes "64,256 32,64,56,56"] [--operations train_forward] [--threads 2] ...

Prints a table with ratios and shares of the copy's bandwidth, and writes JSON. README.md says how
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
COPIES = ["copy", "stream"]
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
    parser.add_argument("--torch-memory", default="kept", choices=["kept", "returned"],
                        help="whether PyTorch's freed results go back to the system")
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

    def take_turn(self, options, dtype, shape, threads):
        """`options` has repetitions and milliseconds."""
        self.turns.append(self.program.time(self.operation, dtype, self.layout, shape, threads,
                                            options.repetitions, options.milliseconds))

    def is_settled(self, options):
        """Whether half of the turns that were asked for were quiet."""
        quiet = sum(turn["disturbed"] <= options.quiet for turn in self.turns)
        return len(self.turns) >= options.rounds and quiet >= (options.rounds + 1) // 2

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


def measure_point(options, ours, peers, dtype, shape, threads, operation):
    """All lanes of a shape and operation, in turns; each round starts with another one."""
    lanes = [Lane(program, operation, layout)
             for program in [ours, *peers] for layout in points.layouts(shape)]
    lanes += [Lane(ours, copy, "first") for copy in COPIES]
    for turn in range(options.most_rounds):
        programs.wait_until_quiet(options.patience)
        start = turn % len(lanes)
        for lane in lanes[start:] + lanes[:start]:
            lane.take_turn(options, dtype, shape, threads)
        if all(lane.is_settled(options) for lane in lanes):
            break
    return [lane.summary(options) for lane in lanes]


def median_of(summary):
    return summary["median"]


def fastest(summaries):
    return min(map(median_of, summaries))


def rows_of(summaries, dtype, shape, threads, operation):
    """A row for each layout of ours, against the fastest peer in its better layout."""
    size = points.values(shape) * points.DTYPE_BYTES[dtype]
    copy = min((one for one in summaries if one["operation"] in COPIES), key=median_of)
    peers = [one for one in summaries if one["program"] != "normd"]
    best = {name: min((one for one in peers if one["program"] == name), key=median_of)
            for name in dict.fromkeys(one["program"] for one in peers)}
    for one in summaries:
        if one["program"] != "normd" or one["operation"] != operation:
            continue
        pace = copy["median"] / 2  # seconds that one pass over the batch takes in the copy
        same = [peer for peer in peers if peer["layout"] == one["layout"]]
        yield {
            "dtype": dtype, "threads": threads, "shape": list(shape), "layout": one["layout"],
            "operation": operation, "bytes": size, "ours": one, "peers": best, "copy": copy,
            "ratio": fastest(peers) / one["median"] if peers else None,
            "ratio_same_layout": fastest(same) / one["median"] if same else None,
            "share_cached": points.PASSES[operation][0] * pace / one["median"],
            "share_memory": points.PASSES[operation][1] * pace / one["median"],
        }


def start_peers(options, threads):
    peers = []
    if "torch" not in options.without:
        python = options.python or Path(options.peers) / "bin" / "python"
        peers.append(programs.torch(python, options.nice, options.torch_memory == "kept"))
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
            for operation in options.operations:
                try:
                    summaries = measure_point(options, ours, peers, dtype, shape, threads, operation)
                except programs.Absent as absent:
                    results["absent"].append(f"{dtype}: {absent}")
                    continue
                for row in rows_of(summaries, dtype, shape, threads, operation):
                    row["quiet"] = options.quiet
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
