# SPDX-License-Identifier: Apache-2.0
"""Recalibration gives what PyTorch's update_bn gives."""

import numpy as np
import pytest
from golden import create, load, state, unit
from harness import safetensors


@pytest.mark.parametrize("case", load("statistics_pytorch"), ids=lambda c: c["name"])
def test_mean_of_variances_is_update_bn(rpc, case):
    session = create(rpc, case)
    rpc.call("session.import", session=session, format="safetensors",
             data=safetensors.save(case["before"]))
    for i, x in enumerate(case["batches"]):
        last = i + 1 == len(case["batches"])
        rpc.call("stats.recalibrate", session=session, x=x, mode="mean_of_variances", finish=last)
    got = state(rpc, session)
    for name, want in case["after"].items():
        if "num_batches_tracked" in name:
            assert got[name] == want
            continue
        # PyTorch rounds to the type in each of its k updates, and the moments that it averages; a
        # mean of many values is off by some roundings of their size. A linear layer before adds
        # those of its product, of inputs up to 10 and 5 terms.
        size = max(np.abs(want).max(), np.abs(x).max())
        bound = (8 + 16 * len(case["batches"])) * unit(case) * max(1.0, size)
        assert np.abs(got[name].astype(np.float64) - want.astype(np.float64)).max() <= bound, name
