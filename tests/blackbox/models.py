# SPDX-License-Identifier: Apache-2.0
"""The small models and batches that several tests use."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np

FEATURES = 6
CLASSES = 3


def classifier(**options: Any) -> Dict[str, Any]:
    """session.create's fields for linear, batch norm, relu, linear with cross-entropy."""
    return {
        "layers": [
            {"type": "linear", "out": 8},
            {"type": "batch_norm"},
            {"type": "relu"},
            {"type": "linear", "out": CLASSES},
        ],
        "input": FEATURES,
        "loss": "cross_entropy",
        "optimizer": {"type": "adam", "lr": 0.01},
        "seed": 1,
        **options,
    }


def norm_only(features: int = 4, **options: Any) -> Dict[str, Any]:
    """session.create's fields for one batch norm."""
    layer = {"type": "batch_norm", "features": features, **options.pop("layer", {})}
    return {"layers": [layer], "seed": 1, **options}


def batch(seed: int, rows: int = 16) -> Tuple[np.ndarray, np.ndarray]:
    """A batch for the classifier, the same for the same seed."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)).astype(np.float32)
    return x, random.integers(0, CLASSES, rows)
