# SPDX-License-Identifier: Apache-2.0
"""The official ONNX node tests of BatchNormalization, kept in a golden file."""

import numpy as np
import onnx_node
import pytest
from golden import load

CASES = load("onnx_nodes")


def test_inference_and_training_are_among_the_cases():
    modes = {case["attributes"].get("training_mode", 0) for case in CASES}
    assert modes == {0, 1} and len(CASES) >= 4
    assert all(case["opset"] >= 15 for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_the_node_gives_what_onnx_says(rpc, case):
    outputs = onnx_node.run(rpc, case["name"], case["attributes"], case["inputs"])
    assert len(outputs) == len(case["outputs"])
    for got, want in zip(outputs, case["outputs"]):
        np.testing.assert_allclose(got, want, rtol=case["rtol"], atol=case["atol"])
        # The expected numbers are themselves rounded to float32 at each step: a dozen units.
        bound = 16 * 2.0**-24 * max(1.0, float(np.abs(want).max()))
        assert np.abs(got.astype("f8") - want).max() <= bound
