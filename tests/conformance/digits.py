# SPDX-License-Identifier: Apache-2.0
"""The digits as both sides of the fifty-epochs comparison see them: the same rows in the same order."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Iterator, Tuple

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "clients" / "data" / "digits.csv.gz"
EPOCHS = 50
ROWS = 64

Split = Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load(images: bool) -> Split:
    """x and labels to train with, and those of every fifth row to test with; x in [0, 1], float32,
    (N, 64), or (N, 1, 8, 8) as images."""
    with gzip.open(DATA, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    x = (table[:, :64] / 16).astype(np.float32)
    if images:
        x = x.reshape(-1, 1, 8, 8)
    labels = table[:, 64].astype(np.int64)
    test = np.arange(len(x)) % 5 == 0
    return x[~test], labels[~test], x[test], labels[test]


def batches(rows: int) -> Iterator[np.ndarray]:
    """The rows of every step of all epochs, shuffled anew in each. The order is that of random keys,
    which every version of NumPy draws alike."""
    for epoch in range(EPOCHS):
        order = np.argsort(np.random.RandomState(epoch).random_sample(rows), kind="stable")
        for begin in range(0, rows, ROWS):
            yield order[begin : begin + ROWS]
