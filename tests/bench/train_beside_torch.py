#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training steps a second through the daemon over TCP, beside PyTorch in its own process.

usage: PYTHON-WITH-TORCH tests/bench/train_beside_torch.py [--build build] [--rounds 9] [--threads N]

The same models, batch sizes, optimizer (Adam) and number of threads; the two take turns, and the
report has the medians of the rounds and their ratio. PyTorch trains on tensors that it has already;
the daemon gets each batch over the loopback, from normbench on one connection with four requests in
flight. setup_peers.sh makes a Python with the newest PyTorch.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import torch
from torch import nn

MODELS: List[Tuple[Sequence[int], int]] = [
    ((64, 128, 64, 10), 64),
    ((784, 256, 128, 10), 128),
    ((784, 1024, 1024, 10), 256),
]
CONV = "conv8-conv16"  # on 28 x 28 images, 64 at a time
SECONDS = 1.5


def text_of(widths: Sequence[int]) -> str:
    """The layers as normctl takes them."""
    hidden = [f"linear {width}, batch_norm, relu" for width in widths[1:-1]]
    return ", ".join([*hidden, f"linear {widths[-1]}"])


def module_of(widths: Sequence[int]) -> nn.Sequential:
    layers: List[nn.Module] = []
    for before, width in zip(widths, widths[1:-1]):
        layers += [nn.Linear(before, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


CONV_TEXT = (
    "conv2d out=8 kernel_size=3 padding=1, batch_norm, relu, max_pool2d kernel_size=2,"
    " conv2d out=16 kernel_size=3 padding=1, batch_norm, relu, max_pool2d kernel_size=2,"
    " flatten, linear 10")


def conv_module() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 10))


class Torch:
    """PyTorch's usual loop over one batch."""

    def __init__(self, module: nn.Sequential, shape: Sequence[int]) -> None:
        self.module = module
        self.x = torch.randn(*shape)
        self.target = torch.randint(0, 10, (shape[0],))
        self.optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
        self.rate(0.3)

    def step(self) -> None:
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.module(self.x), self.target).backward()
        self.optimizer.step()

    def rate(self, seconds: float) -> float:
        """Steps a second."""
        steps = 0
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.step()
            steps += 1
        return steps / (time.perf_counter() - start)


class Daemon:
    """normd on a free port."""

    def __init__(self, build: Path, threads: int) -> None:
        self.bench = build / "bin" / "normbench"
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [build / "bin" / "normd", "--port", "0", "--threads", str(threads)], stderr=self.log)
        self.port = None
        while self.port is None:
            time.sleep(0.05)
            self.log.seek(0)
            found = re.search(r"listening on .*:(\d+)\s", self.log.read())
            self.port = found and found.group(1)

    def rate(self, model: str, shape: Sequence[int], seconds: float) -> float:
        """Steps a second."""
        command = [
            self.bench, "--port", self.port, "--method", "train", "--connections", "1",
            "--pipeline", "4", "--seconds", str(seconds), "--loss", "cross_entropy", "--json",
            "--model", model, "--optimizer", "adam lr=0.001", "--shape", "x".join(map(str, shape))]
        return json.loads(subprocess.check_output(command))["requests_per_second"]


def compare(daemon: Daemon, name: str, peer: Torch, model: str, shape: Sequence[int],
            rounds: int) -> Dict[str, Any]:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(daemon.rate(model, shape, SECONDS))
        theirs.append(peer.rate(SECONDS))
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    return {
        "model": name, "normd": statistics.median(ours), "torch": statistics.median(theirs),
        "ratio": statistics.median(ratios), "least": ratios[0], "most": ratios[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="models whose name has this in it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    daemon = Daemon(options.build.resolve(), options.threads)
    cases = [("-".join(map(str, w)), rows, text_of(w), (rows, w[0]), lambda w=w: module_of(w))
             for w, rows in MODELS]
    cases.append((CONV, 64, CONV_TEXT, (64, 1, 28, 28), conv_module))
    print(f"torch {torch.__version__}, {options.threads} threads, Adam, steps a second, medians of "
          f"{options.rounds} rounds in turn")
    print(f"{'model':>20} {'batch':>6} {'normd':>9} {'PyTorch':>9} {'ratio':>6}  least..most")
    try:
        for name, rows, text, shape, build in cases:
            if options.only is None or options.only in name:
                r = compare(daemon, name, Torch(build(), shape), text, shape, options.rounds)
                print(f"{name:>20} {rows:>6} {r['normd']:>9.0f} {r['torch']:>9.0f} "
                      f"{r['ratio']:>6.2f}  {r['least']:.2f}..{r['most']:.2f}", flush=True)
    finally:
        daemon.process.terminate()
        daemon.process.wait()


if __name__ == "__main__":
    main()
