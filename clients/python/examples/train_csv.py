#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a session from a CSV file whose last column is the label.

Any number of these may train one session at once, from any host: the daemon takes their batches
one after another and keeps one set of parameters and running statistics.
"""

import argparse
import time

import normd
import numpy as np


def read(path, scale):
    """x (rows, columns) float32 and integer labels from a CSV file without a header."""
    table = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    return table[:, :-1] / np.float32(scale), table[:, -1].astype(np.int64)


def batches(rows, size, random):
    """Indices of one epoch in random order; a rest of a single row joins the batch before it,
    since one row has no variance."""
    order = random.permutation(rows)
    starts = list(range(0, rows, size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    ends = [*starts[1:], rows]
    return [order[start:end] for start, end in zip(starts, ends)]


def paced(items, rate):
    """The items, at most `rate` a second, as a live stream would bring them."""
    due = time.monotonic()
    for item in items:
        if rate:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic()) + 1.0 / rate
        yield item


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session")
    parser.add_argument("file")
    parser.add_argument("--port", type=int, default=6676)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--scale", type=float, default=16.0, help="the inputs are divided by it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, help="at most so many batches a second")
    options = parser.parse_args()

    x, labels = read(options.file, options.scale)
    random = np.random.default_rng(options.seed)
    with normd.connect(port=options.port) as client:
        session = client.session(options.session)
        for epoch in range(options.epochs):
            order = batches(len(x), options.batch, random)
            results = [session.train(x[rows], labels[rows]) for rows in paced(order, options.rate)]
            loss = sum(result.loss for result in results) / len(results)
            print(f"epoch {epoch + 1}: loss {loss:.4f}, version {results[-1].version}", flush=True)


if __name__ == "__main__":
    main()
