# SPDX-License-Identifier: Apache-2.0
"""Golden values of Keras' gradient accumulation beside schedules and constraints.

Keras counts its schedules' ticks, and applies constraints, after every batch. Run it on its own:
KERAS_BACKEND=torch python make_accumulation.py
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import torch  # noqa: E402
from make_common import DTYPES, GoldenFile, compact_batches, training_data  # noqa: E402
from make_penalties import VERSIONS, penalty_case  # noqa: E402

BATCHES = 20
SCHEDULES = keras.optimizers.schedules
DECAY = {"type": "ExponentialDecay", "initial_learning_rate": 0.25, "decay_steps": 4,
         "decay_rate": 0.5}
COSINE = {"type": "CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 16,
          "warmup_target": 0.1, "warmup_steps": 5}
STAIRS = {"type": "PiecewiseConstantDecay", "boundaries": [5, 11, 13],
          "values": [0.5, 0.25, 0.125, 0.0625]}


def sgd(rate: Any, wire_rate: Any, steps: int) -> tuple:
    """The wire's optimizer, what makes Keras', and its rate."""
    return ({"type": "sgd", "learning_rate": wire_rate, "momentum": 0.5,
             "gradient_accumulation_steps": steps},
            lambda: keras.optimizers.SGD(
                rate, momentum=0.5, gradient_accumulation_steps=steps), rate)


def adam(rate: Any, wire_rate: Any, steps: int) -> tuple:
    """The same with Adam."""
    return ({"type": "adam", "learning_rate": wire_rate, "gradient_accumulation_steps": steps},
            lambda: keras.optimizers.Adam(rate, gradient_accumulation_steps=steps), rate)


# Name, options of the dense layers and of the batch norm, the optimizer. 20 batches are no multiple
# of 3 or 6: the last ones wait.
CASES: List[tuple] = [
    ("exponential", {}, {}, sgd(SCHEDULES.ExponentialDecay(0.25, 4, 0.5), DECAY, 3)),
    ("cosine_warmup", {}, {},
     adam(SCHEDULES.CosineDecay(0.01, 16, warmup_target=0.1, warmup_steps=5), COSINE, 4)),
    ("piecewise", {"kernel_regularizer": "l2"}, {},
     sgd(SCHEDULES.PiecewiseConstantDecay([5, 11, 13], [0.5, 0.25, 0.125, 0.0625]), STAIRS, 2)),
    ("min_max_norm", {"kernel_constraint": {"name": "min_max_norm", "min_value": 0.5,
                                            "max_value": 1.0, "rate": 0.25}},
     {"gamma_constraint": {"name": "min_max_norm", "min_value": 1.0, "max_value": 3.0}},
     sgd(0.5, 0.5, 3)),
    ("max_norm", {"kernel_constraint": {"name": "max_norm", "max_value": 0.5},
                  "bias_constraint": "non_neg"}, {"beta_constraint": "non_neg"},
     adam(0.05, 0.05, 6)),
    ("unit_norm", {"kernel_constraint": "unit_norm"}, {}, sgd(0.5, 0.5, 4)),
]


def rate_of(schedule: Any) -> Callable[[int], float]:
    """Keras' rate at a batch, which counts from 0."""
    if isinstance(schedule, SCHEDULES.LearningRateSchedule):
        return lambda batch: float(keras.ops.convert_to_numpy(schedule(batch)))
    return lambda batch: schedule


def make() -> None:
    """Writes the file."""
    torch.set_num_threads(1)
    golden = GoldenFile("accumulation_keras", VERSIONS)
    x, target = training_data(23, BATCHES, 16, 6, 3)
    batches = compact_batches(golden, "batches", x, target)
    for name, dense, norm, (wire, make_optimizer, rate) in CASES:
        for dtype in DTYPES:
            row = (name, dense, norm, (wire, make_optimizer))
            penalty_case(golden, batches, x, target, row, dtype)
            case: Dict[str, Any] = golden.cases[-1]
            case["name"] = f"accumulation_{name}_{dtype}"
            rates = [rate_of(rate)(batch) for batch in range(BATCHES)]
            case["lr"] = golden.keep(f"{name}_{dtype}/lr", rates)
    golden.write()


if __name__ == "__main__":
    make()
