#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The accuracy of PyTorch's batch norm beside ours, against the same reference and bounds.

    torch_figures.py ACCURACY [--keep FOLDER]

ACCURACY is the program (build/bin/accuracy). It is run with --json and --dump; then PyTorch goes
over the float32 batches, and a Markdown table is printed. The dump takes some hundred megabytes, in
a temporary folder unless --keep names one.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

RATIOS = ("y", "dx", "dgamma", "dbeta")


class Batch:
    """One batch of the index: PyTorch's view of x and what the reference says."""

    def __init__(self, folder, entry, eps):
        self.folder, self.entry, self.eps = folder, entry, eps
        self.shape = entry["shape"]
        axis = len(self.shape) - 1 if entry["channels_last"] else 1
        self.count = np.prod(self.shape) // self.shape[axis]

    def tensor(self, name):
        """The file's values as (N, C, ...), with the memory as it is; (N, L, C) as (N, C, L, 1)."""
        flat = np.fromfile(self.folder / name, dtype=np.float32)
        tensor = torch.from_numpy(flat).reshape(self.shape)
        if self.entry["channels_last"]:
            if tensor.dim() == 3:
                tensor = tensor.unsqueeze(2)
            tensor = tensor.permute(0, 3, 1, 2)
            assert tensor.is_contiguous(memory_format=torch.channels_last)
        return tensor

    def in_memory_order(self, tensor):
        if self.entry["channels_last"]:
            tensor = tensor.permute(0, 2, 3, 1)
        return tensor.detach().numpy().reshape(-1)

    def forward(self):
        x = self.tensor(self.entry["x"]).requires_grad_(True)
        channels = x.shape[1]
        self.mean, self.variance = torch.zeros(channels), torch.ones(channels)
        self.gamma = torch.tensor(self.entry["gamma"], dtype=torch.float32, requires_grad=True)
        self.beta = torch.tensor(self.entry["beta"], dtype=torch.float32, requires_grad=True)
        self.x = x
        return torch.nn.functional.batch_norm(
            x, self.mean, self.variance, self.gamma, self.beta, True, 1.0, self.eps)


def places(values):
    """The place of each float among all floats; neighbours differ by 1."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - bits, bits)


def ulps(got, exact):
    """The largest distance from the exact results, rounded."""
    got = np.asarray(got, dtype=np.float32)
    if np.isnan(got).any():
        return np.inf
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    return float(np.abs(places(got) - places(rounded)).max())


def ratio(got, parts):
    """The largest error over its bound; parts are high, low and bound."""
    high, low, bound = np.asarray(parts, dtype=np.float64)
    got = np.asarray(got, dtype=np.float64)
    if not np.isfinite(got).all():
        return np.inf
    return float((np.abs((got - high) - low) / bound).max())


def file_parts(folder, name):
    return np.fromfile(folder / name, dtype=np.float64).reshape(3, -1)


def exact(parts, factor=1):
    high, low, _ = np.asarray(parts, dtype=np.longdouble)
    return (high + low) * factor


def measure(batch):
    """Each figure of one batch, the largest over its backwards."""
    entry, folder = batch.entry, batch.folder
    figures = {}
    for backward in entry["backward"]:
        y = batch.forward()
        dy = batch.tensor(backward["dy"])
        dx, dgamma, dbeta = torch.autograd.grad(y, (batch.x, batch.gamma, batch.beta), dy)
        n = np.longdouble(batch.count)
        now = {
            "mean_ulps": ulps(batch.mean, exact(entry["mean"])),
            # The running variance of PyTorch is sum / (n - 1).
            "variance_ulps": ulps(batch.variance, exact(entry["variance"], n / (n - 1))),
            "y": ratio(batch.in_memory_order(y), file_parts(folder, entry["y"])),
            "dx": ratio(batch.in_memory_order(dx), file_parts(folder, backward["dx"])),
            "dgamma": ratio(dgamma, backward["dgamma"]),
            "dbeta": ratio(dbeta, backward["dbeta"]),
        }
        figures = {key: max(value, figures.get(key, 0.0)) for key, value in now.items()}
    return figures


def measure_all(folder):
    """{x_set: figures}, the largest over its batches."""
    index = json.loads((folder / "index.json").read_text())
    largest = {}
    for entry in index["batches"]:
        if entry["dtype"] == "float32":
            now = measure(Batch(folder, entry, index["eps"]))
            before = largest.setdefault(entry["x_set"], now)
            largest[entry["x_set"]] = {key: max(now[key], before[key]) for key in now}
    return largest


def text(value):
    if value is None or not np.isfinite(value):
        return "not finite"
    if value >= 1000:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if value == int(value) else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def print_table(ours, theirs, versions):
    print(versions)
    print()
    print("| x | mean, ulp | variance, ulp | " + " | ".join(RATIOS) + " |")
    print("|---|" + "---|" * (2 + len(RATIOS)))
    for entry in ours["figures"]:
        if entry["dtype"] != "float32":
            continue
        peer = theirs[entry["x"]]
        pairs = [(entry[key], peer[key]) for key in ("mean_ulps", "variance_ulps")]
        pairs += [(entry["ratio"][key], peer[key]) for key in RATIOS]
        cells = [f"{text(mine)} : {text(other)}" for mine, other in pairs]
        print(f"| {entry['x']} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--keep", metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        figures = folder / "figures.json"
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [options.program, "--json", str(figures), "--dump", str(folder)],
            stdout=subprocess.DEVNULL, check=False)
        ours = json.loads(figures.read_text())
        theirs = measure_all(folder)
    print_table(ours, theirs,
                f"normd {ours['version']} ({ours['instruction_set']}) : PyTorch {torch.__version__} "
                f"({torch.backends.cpu.get_cpu_capability()}), {platform.machine()}, float32")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
