#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time per value of our operations and of a copy, from 10^4 to 10^8 values.

    growth.py [--families "(n, 256)"] [--threads 2] [--most 100000000] [--json growth.json]

Families of shapes, each with its growing extent at powers of two, one above each, and where there
are powers of ten of values. A cliff between neighbours is a fault: of the tiling or of the caches'
sets. The last two families grow a row's length, and so the stride between rows.
"""

import argparse
import json
import statistics
from pathlib import Path

import compare
import points
import programs

# The values that one step of the extent n adds, and the shape.
FAMILIES = {
    "(n, 256)": (256, lambda n: (n, 256)),
    "(n, 64, 14, 14)": (12544, lambda n: (n, 64, 14, 14)),
    "(1024, n)": (1024, lambda n: (1024, n)),
    "(16, 32, n)": (512, lambda n: (16, 32, n)),
}
BATCHES = ["(n, 256)", "(n, 64, 14, 14)"]
LEAST = 10**4


def extents(step, most):
    """What the growing extent becomes: 2^k, 2^k + 1, and what gives 10^k values."""
    found = set()
    for power in range(28):
        found.update((2**power, 2**power + 1))
    for power in range(4, 9):
        found.add(-(-10**power // step))
    return sorted(n for n in found if LEAST <= n * step <= most * 1.01)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", default=compare.TOP / "build-bench")
    parser.add_argument("--instruction-set")
    parser.add_argument("--operations", nargs="*", default=["train_forward", "forward_backward"],
                        choices=points.OPERATIONS)
    parser.add_argument("--families", nargs="*", default=BATCHES, choices=FAMILIES)
    parser.add_argument("--dtype", default="float32", choices=points.DTYPE_BYTES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--most", type=int, default=10**8, help="values of the largest batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--milliseconds", type=int, default=10)
    parser.add_argument("--patience", type=float, default=0.2)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--json", default="growth.json")
    return parser.parse_args()


def measure_family(options, ours, name):
    step, shape_of = FAMILIES[name]
    shapes = [shape_of(n) for n in extents(step, options.most)]
    lanes = {shape: [compare.Lane(ours, operation, "first")
                     for operation in [*options.operations, *compare.COPIES]] for shape in shapes}
    # Rounds go over all sizes, so that a disturbance of a second does not look like a cliff.
    for _ in range(options.rounds):
        for shape in shapes:
            programs.wait_until_quiet(options.patience)
            for lane in lanes[shape]:
                lane.take_turn(options, options.dtype, shape, options.threads)
    return [{"values": points.values(shape), "shape": list(shape),
             "nanoseconds": nanoseconds(options, shape, lanes[shape])} for shape in shapes]


def nanoseconds(options, shape, lanes):
    """Of one value, for each operation and the faster copy."""
    times = {lane.operation: 1e9 * lane.summary(options)["median"] / points.values(shape) for lane in lanes}
    copy = min(times.pop(name) for name in compare.COPIES)
    return {**times, "copy": copy}


def steps(sizes, operation):
    """Time per value against the median of the neighbours on both sides, the largest one first."""
    for index in range(2, len(sizes) - 2):
        near = [sizes[index + offset]["nanoseconds"][operation] for offset in (-2, -1, 1, 2)]
        yield sizes[index]["nanoseconds"][operation] / statistics.median(near), sizes[index]["shape"]


def main():
    options = read_arguments()
    ours = programs.ours(options.build, options.nice, options.instruction_set)
    results = {"program": ours.info, "threads": options.threads, "dtype": options.dtype, "families": {}}
    for name in options.families:
        sizes = measure_family(options, ours, name)
        results["families"][name] = sizes
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        for operation in options.operations:
            worst, shape = max(steps(sizes, operation))
            print(f"{name:12}  {operation:16}  largest step above its neighbours {worst:.2f}x at "
                  f"{points.name(shape)}", flush=True)
    ours.close()


if __name__ == "__main__":
    main()
