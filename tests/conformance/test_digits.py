# SPDX-License-Identifier: Apache-2.0
"""Fifty epochs on the digits through the daemon and in PyTorch, from the same weights and batches."""

import digits
import numpy as np
import pytest
from golden import create, load
from harness import safetensors

# The same mathematics in float32 differs by its roundings, which training magnifies; over the first
# hundred steps the curves are one. Later they part as two runs of PyTorch on different machines do.
SAME = 1e-4
STEPS = 100


@pytest.mark.parametrize("case", load("digits_pytorch"), ids=lambda c: c["name"])
def test_fifty_epochs_end_where_pytorch_ends(rpc, case):
    session = create(rpc, case)
    rpc.call("session.import", session=session, format="safetensors",
             data=safetensors.save(case["initial"]))
    x, labels, test_x, test_labels = digits.load(images=case["name"].startswith("conv"))
    worst = 0.0
    for step, rows in enumerate(digits.batches(len(x))):
        loss = rpc.call("train", session=session, x=x[rows], target=labels[rows])["loss"]
        if step < STEPS:
            worst = max(worst, abs(loss - case["loss"][step]) / case["loss"][step])
    answer = rpc.call("evaluate", session=session, x=test_x, target=test_labels)
    print(f"{case['name']}: first {STEPS} losses within {worst:.2g}; test accuracy "
          f"{answer['accuracy']:.4f}, PyTorch's {case['accuracy']:.4f}")
    assert worst < SAME
    # Half a point, of 360 digits.
    assert abs(answer["accuracy"] - case["accuracy"]) <= 0.005
