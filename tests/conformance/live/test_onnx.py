# SPDX-License-Identifier: Apache-2.0
"""Every kind of layer as an ONNX model, run by the reference evaluator of the onnx package."""

import math

import normd.onnx
import numpy as np
import onnx.reference
import pytest
from onnx.reference.op_run import OpRun

# Some dozens of roundings of numbers near 1.
BOUND = {"float32": 128 * 2.0**-24, "float64": 128 * 2.0**-53}
IMAGE = [4, 6, 6]
LAST = {"data_format": "channels_last"}
WINDOW = {"kernel_size": 3, "padding": 1}

CASES = {
    "linear": ([{"type": "linear", "out": 3}], [5]),
    "linear-of-sequences": ([{"type": "linear", "out": 3}], [7, 5]),
    "batch-norm": ([{"type": "batch_norm", "eps": 0.1}], IMAGE),
    "batch-norm-last": ([{"type": "batch_norm", "axis": -1, "scale": False}], IMAGE),
    "batch-norm-of-the-batch": ([{"type": "batch_norm", "track_running_stats": False}], IMAGE),
    "renorm": ([{"type": "batch_norm", "renorm": True}], [5]),
    "instance-norm": ([{"type": "instance_norm", "eps": 0.1}], IMAGE),
    "instance-norm-tracked": ([{"type": "instance_norm", "track_running_stats": True,
                                "affine": True}], IMAGE),
    "instance-norm-last": ([{"type": "instance_norm", "axis": -1}], [7, 5]),
    "group-norm": ([{"type": "group_norm", "num_groups": 2, "eps": 0.1}], IMAGE),
    "group-norm-flat": ([{"type": "group_norm", "num_groups": 2, "affine": False}], [6]),
    "layer-norm": ([{"type": "layer_norm", "normalized_shape": [6, 6], "eps": 0.1}], IMAGE),
    "rms-norm": ([{"type": "rms_norm", "normalized_shape": [6, 6], "eps": 0.1}], IMAGE),
    "conv": ([{"type": "conv2d", "out": 3, **WINDOW}], IMAGE),
    "conv-last": ([{"type": "conv2d", "out": 3, **WINDOW, **LAST}], [6, 6, 4]),
    "max-pool": ([{"type": "max_pool2d", **WINDOW}], IMAGE),
    "avg-pool": ([{"type": "avg_pool2d", **WINDOW, "count_include_pad": False}], IMAGE),
    "global": ([{"type": "global_avg_pool2d", "keepdims": False},
                {"type": "linear", "out": 2}], IMAGE),
    "flatten-behind": ([{"type": "flatten", "start_dim": 2}, {"type": "batch_norm"}], IMAGE),
    "flatten": ([{"type": "flatten"}, {"type": "linear", "out": 2}], IMAGE),
    "softplus": ([{"type": "softplus", "beta": 2.5, "threshold": 1.5}], [40]),
    "softplus-plain": ([{"type": "softplus"}], [40]),
    "leaky": ([{"type": "leaky_relu", "negative_slope": 0.3}], [40]),
    "elu": ([{"type": "elu", "alpha": 0.7}], [40]),
    "gelu-tanh": ([{"type": "gelu", "approximate": "tanh"}], [40]),
    "dropout": ([{"type": "dropout"}], [40]),
    "softmax": ([{"type": "softmax", "dim": 1}], [5, 7]),
    "log-softmax": ([{"type": "log_softmax", "dim": -1}], [5, 7]),
    **{kind: ([{"type": kind}], [40]) for kind in (
        "relu", "relu6", "selu", "gelu", "silu", "hardswish", "tanh", "sigmoid")},
}


class Erf(OpRun):
    """The evaluator's own rounds to float32."""

    def _run(self, x):
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)


def trained(client, layers, input, dtype, random, shape=None):
    """A session whose parameters and statistics are not as they began, and a batch."""
    session = client.create("onnx", layers, input=input, dtype=dtype, if_exists="replace")
    x = (random.normal(size=(9, *(shape or input))) * 2.0 + 0.5).astype(dtype)
    step = session.forward(x)
    session.backward(step.step, random.normal(size=step.y.shape).astype(dtype) * 40.0)
    return session, x


def check(session, x, dtype):
    """The model of the session infers what the session does."""
    model = normd.onnx.to_model(session)
    (y,) = onnx.reference.ReferenceEvaluator(model, new_ops=[Erf]).run(None, {"x": x})
    want = session.infer(x).y
    assert y.dtype == want.dtype and y.shape == want.shape
    assert np.abs(y - want).max() <= BOUND[dtype] * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers, input", CASES.values(), ids=CASES)
def test_a_layer_s_model_infers_what_the_session_does(client, layers, input, dtype):
    random = np.random.default_rng(7)
    check(*trained(client, layers, input, dtype, random), dtype)


@pytest.mark.parametrize("layers, shape", [
    ([{"type": "conv2d", "in": 4, "out": 3, "kernel_size": 3}, {"type": "relu"}], [4, 6, 6]),
    ([{"type": "conv2d", "in": 4, "out": 3, "kernel_size": 3, **LAST}], [6, 6, 4]),
    ([{"type": "relu"}, {"type": "batch_norm2d", "features": 4}], [4, 6, 6]),
    ([{"type": "batch_norm3d", "features": 2}], [2, 3, 4, 5]),
    ([{"type": "instance_norm1d", "features": 4}], [4, 6]),
    ([{"type": "layer_norm", "normalized_shape": [4, 6]}], [4, 6]),
    ([{"type": "max_pool2d", "kernel_size": 2}], [4, 6, 6]),
    ([{"type": "dropout"}, {"type": "linear", "in": 5, "out": 3}], [5]),
])
def test_the_first_layer_that_tells_it_gives_the_shape_of_x(client, layers, shape):
    random = np.random.default_rng(8)
    check(*trained(client, layers, None, "float32", random, shape), "float32")


@pytest.mark.parametrize("layers", [
    [{"type": "group_norm", "num_channels": 4, "num_groups": 2}], [{"type": "relu"}],
    [{"type": "flatten"}, {"type": "linear", "in": 4, "out": 2}]])
def test_a_session_of_which_nothing_tells_the_shape_is_refused(client, layers):
    session = client.create("onnx", layers, if_exists="replace")
    with pytest.raises(ValueError, match="expected a session with an input shape"):
        normd.onnx.to_model(session)


def test_virtual_batches_of_inference_are_refused(client):
    layer = {"type": "batch_norm", "track_running_stats": False, "virtual_batch_size": 3}
    session = client.create("onnx", [layer], input=[4], if_exists="replace")
    with pytest.raises(ValueError, match="batch_norm: virtual_batch_size without running stat"):
        normd.onnx.to_model(session)
