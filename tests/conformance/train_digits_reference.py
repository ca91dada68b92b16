# SPDX-License-Identifier: Apache-2.0
"""PyTorch trains the demo's model on the demo's data and prints the accuracy on held-out digits.

Run it with a Python that has torch; the demo's own figure should be level with it.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Tuple

import numpy as np
import torch
from torch import nn

DATA = Path(__file__).resolve().parents[2] / "clients" / "data" / "digits.csv.gz"
SEEDS = 5
EPOCHS = 20
ROWS = 64


def load() -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """x and labels to train with, and those of every fifth row to test with."""
    with gzip.open(DATA, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    x = torch.from_numpy((table[:, :64] / 16).astype(np.float32))
    labels = torch.from_numpy(table[:, 64].astype(np.int64))
    test = torch.arange(len(x)) % 5 == 0
    return x[~test], labels[~test], x[test], labels[test]


def train(seed: int) -> float:
    """The share of test digits that the trained model names."""
    torch.manual_seed(seed)
    x, labels, test_x, test_labels = load()
    model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(ROWS):
            if len(rows) < 2:
                continue
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(test_x).argmax(1) == test_labels).float().mean().item()


if __name__ == "__main__":
    print(f"torch {torch.__version__}, {EPOCHS} epochs, batches of {ROWS}, Adam 1e-3")
    for number in range(SEEDS):
        start = time.perf_counter()
        accuracy = train(number)
        print(f"seed {number}: test accuracy {accuracy:.4f} in {time.perf_counter() - start:.1f} s")
