# SPDX-License-Identifier: Apache-2.0
"""How golden files are written: cases as JSON, their arrays beside them in one .npz.

An array inside a case's JSON stands as {"$array": key}. tests/conformance/golden.py reads this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

FOLDER = Path(__file__).resolve().parent / "golden"
DTYPES = ("float32", "float64")

# Inputs are multiples of 1/256, so that they are the same numbers in every type and pack well.
GRID = 256


def on_grid(values: np.ndarray) -> np.ndarray:
    """The values rounded to the grid, as float32."""
    return (np.round(values * GRID) / GRID).astype(np.float32)


class GoldenFile:
    """Collects the cases of one file."""

    def __init__(self, name: str, versions: Dict[str, str]) -> None:
        self.name = name
        self.versions = versions
        self.cases: List[Dict[str, Any]] = []
        self.arrays: Dict[str, np.ndarray] = {}

    def keep(self, key: str, values: Any) -> Dict[str, str]:
        """Stores an array; gives what stands for it in the case."""
        assert key not in self.arrays, key
        self.arrays[key] = np.asarray(values)
        return {"$array": key}

    def add(self, case: Dict[str, Any]) -> None:
        """Stores a case."""
        self.cases.append(case)

    def write(self) -> None:
        """Writes FOLDER/name.npz."""
        meta = json.dumps({"made_with": self.versions, "cases": self.cases}, indent=1)
        path = FOLDER / f"{self.name}.npz"
        np.savez_compressed(path, meta=np.frombuffer(meta.encode(), np.uint8), **self.arrays)
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size} bytes")


def training_data(
    seed: int, steps: int, rows: int, features: int, classes: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Batches whose labels a hidden linear rule decides: there is something to learn."""
    random = np.random.default_rng(seed)
    x = on_grid(random.normal(0.5, 1.5, (steps, rows, features)))
    rule = random.normal(size=(features, classes))
    target = np.argmax(x @ rule + random.gumbel(size=(steps, rows, classes)), axis=-1)
    return x, target.astype(np.int64)


def compact_batches(golden: GoldenFile, prefix: str, x: np.ndarray, target: np.ndarray) -> Dict:
    """Stores batches of training_data as small integers; the reader divides by GRID."""
    return {
        "x": golden.keep(f"{prefix}/x", np.round(x * GRID).astype(np.int16)),
        "target": golden.keep(f"{prefix}/target", target.astype(np.int8)),
        "grid": GRID,
    }
