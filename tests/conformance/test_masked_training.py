# SPDX-License-Identifier: Apache-2.0
"""Training a masked model end to end over ten steps, against Keras."""

import numpy as np
import pytest
from golden import assert_close, create, load, state

CASES = load("masked_training_keras")

# As in test_penalties.py: some ten units a step, amplified by the steps behind it; Adam divides by
# the root of the squared gradient, whose rounding error counts in full where it is small.
LOSS = {"float32": 1e-5, "float64": 1e-12}
STATE = {"float32": 5e-5, "float64": 1e-12}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_ten_steps_under_a_mask_agree_with_keras(rpc, case):
    session, dtype = create(rpc, case), case["create"]["dtype"]
    data = case["data"]
    for step, (x, mask, target) in enumerate(zip(data["x"], data["mask"], data["target"])):
        batch = {"x": x.astype(dtype), "target": target, "mask": mask}
        if case["weighted"]:
            batch["sample_weight"] = mask.any(axis=-1).astype(dtype)
        for method, want in (("evaluate", case["eval_loss"]), ("train", case["loss"])):
            got = rpc.call(method, session=session, **batch)["loss"]
            assert abs(got - want[step]) < LOSS[dtype] * abs(want[step]), f"{method}, step {step}"
    got = state(rpc, session)
    for name, want in case["state"].items():
        assert_close(got[name], want, STATE[dtype] * max(1.0, np.abs(want).max()), name)
