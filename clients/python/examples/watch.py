#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Watches a session while others train it: held-out accuracy and live inference, as they come.

Neither waits for the training: each answer comes from the state after some whole step, and says
which.
"""

import argparse
import time

import normd
import numpy as np
from train_csv import read

BAR = 24


def bar(share):
    full = round(BAR * share)
    return "#" * full + "." * (BAR - full)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session")
    parser.add_argument("file", help="held-out rows")
    parser.add_argument("--port", type=int, default=6676)
    parser.add_argument("--until-step", type=int, required=True, help="the last step to wait for")
    parser.add_argument("--lines", type=int, default=12, help="how many lines to print")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a step")
    parser.add_argument("--scale", type=float, default=16.0, help="the inputs are divided by it")
    options = parser.parse_args()

    x, labels = read(options.file, options.scale)
    answers, answers_in_training, correct = 0, 0, 0
    next_line, newest, since = 0, -1, time.monotonic()
    with normd.connect(port=options.port) as client:
        session = client.session(options.session)
        while True:
            row = answers % len(x)
            answer = session.infer(x[row:row + 1])
            answers += 1
            correct += int(np.argmax(answer.y) == labels[row])
            result = session.evaluate(x, labels)
            if result.steps > newest:
                newest, since = result.steps, time.monotonic()
            elif time.monotonic() - since > options.patience:
                raise SystemExit(f"no step after {newest} for {options.patience:g} seconds")
            answers_in_training += int(0 < result.steps < options.until_step)
            if result.steps >= next_line:
                print(f"  [{bar(result.steps / options.until_step)}] step {result.steps:4d}  "
                      f"loss {result.loss:.4f}  accuracy {result.accuracy:.4f}  "
                      f"a digit {labels[row]} was read as {np.argmax(answer.y)} "
                      f"by version {answer.version}", flush=True)
                next_line = min(result.steps + options.until_step / options.lines,
                                options.until_step)
            if result.steps >= options.until_step:
                break
    print(f"  {answers} inferences and as many evaluations were answered, "
          f"{answers_in_training} of each between the first step and the last")


if __name__ == "__main__":
    main()
