# SPDX-License-Identifier: Apache-2.0
"""Layer, RMS, group and instance norm as a client sees them."""

import numpy as np
import pytest
from harness.rpc import RpcError


def create(rpc, layer, **options):
    rpc.call("session.create", session="norm", if_exists="replace", layers=[layer], **options)


def test_stats_show_what_an_instance_norm_keeps(rpc):
    layer = {"type": "instance_norm", "track_running_stats": True, "momentum": 0.5}
    create(rpc, layer, input=[2, 2])
    x = np.array([[[0, 4], [1, 1]], [[2, 8], [3, 5]]], np.float32)
    rpc.call("forward", session="norm", x=x)
    answer = rpc.call("stats", session="norm")
    (layer,) = answer["layers"]
    assert layer["name"] == "0" and layer["type"] == "instance_norm"
    assert layer["num_batches_tracked"] == 1
    assert layer["running_mean"].tolist() == [1.75, 1.25]
    assert layer["running_var"].tolist() == [7.0, 1.0]
    assert "weight" not in layer
    (layer,) = rpc.call("stats", session="norm", convention="keras")["layers"]
    assert layer["moving_mean"].tolist() == [1.75, 1.25]


def test_layer_norm_has_no_statistics(rpc):
    create(rpc, {"type": "layer_norm"}, input=4)
    assert rpc.call("stats", session="norm")["layers"] == []


@pytest.mark.parametrize("layer, trainable, buffers, non_trainable", [
    ({"type": "layer_norm"}, 10, 0, 0),
    ({"type": "layer_norm", "normalized_shape": [6, 5]}, 60, 0, 0),
    ({"type": "layer_norm", "trainable": False}, 0, 0, 10),
    ({"type": "rms_norm"}, 5, 0, 0),
    ({"type": "group_norm", "num_groups": 2, "num_channels": 6}, 12, 0, 0),
    ({"type": "instance_norm"}, 0, 0, 0),
    ({"type": "instance_norm", "track_running_stats": True}, 0, 13, 12),
])
def test_parameters_are_counted_as_each_framework_counts_them(
    rpc, layer, trainable, buffers, non_trainable
):
    create(rpc, layer, input=[6, 6, 5])
    counts = rpc.call("session.describe", session="norm")["parameters"]
    assert counts["pytorch"] == {"trainable": trainable, "buffers": buffers}
    assert counts["keras"] == {"trainable": trainable, "non_trainable": non_trainable}


@pytest.mark.parametrize("layer, x, message", [
    ({"type": "layer_norm", "normalized_shape": [2, 3]},
     (4, 3), "x: expected (N, ..., 2, 3), got (4, 3)"),
    ({"type": "group_norm", "num_groups": 2, "features": 4}, (4, 3, 2),
     "x: expected (N, 4, ...), got (4, 3, 2)"),
    ({"type": "instance_norm2d", "features": 4}, (4, 4, 2),
     "x: expected (N, 4, ?, ?), got (4, 4, 2)"),
    ({"type": "instance_norm1d", "features": 4, "axis": -1}, (4, 4, 2),
     "x: expected (N, ?, 4), got (4, 4, 2)"),
    ({"type": "instance_norm", "features": 4}, (3, 4),
     "x: expected more than 1 spatial element for statistics of a sample, got (3, 4)"),
])
def test_a_batch_of_another_shape_is_refused_by_name(rpc, layer, x, message):
    create(rpc, layer)
    with pytest.raises(RpcError) as caught:
        rpc.call("forward", session="norm", x=np.zeros(x, np.float32))
    assert str(caught.value) == f"BAD_SHAPE {message}"


def test_a_mask_is_refused_where_no_layer_takes_one(rpc):
    create(rpc, {"type": "layer_norm"}, input=4)
    with pytest.raises(RpcError, match="BAD_ARGUMENT mask"):
        rpc.call("forward", session="norm", x=np.ones((2, 4), np.float32), mask=np.ones(2, bool))


def test_an_empty_batch_gives_an_empty_answer(rpc):
    for layer, shape in (
        ({"type": "layer_norm", "normalized_shape": 4}, (0, 3, 4)),
        ({"type": "group_norm", "num_groups": 2, "features": 4}, (0, 4, 3)),
        ({"type": "group_norm", "num_groups": 2, "features": 4, "axis": -1}, (0, 3, 4)),
    ):
        create(rpc, layer)
        assert rpc.call("infer", session="norm", x=np.zeros(shape, np.float32))["y"].shape == shape


@pytest.mark.parametrize("layer, groups", [
    ({"type": "group_norm", "num_groups": 2}, 2),
    ({"type": "group_norm", "num_groups": -1}, 6),
    ({"type": "instance_norm2d", "affine": True, "track_running_stats": True}, None),
])
def test_features_that_nothing_tells_come_from_the_first_batch(rpc, layer, groups):
    create(rpc, layer)
    (told,) = rpc.call("session.describe", session="norm")["layers"]
    assert told["lazy"]
    x = np.random.default_rng(3).normal(size=(2, 6, 3, 4)).astype(np.float32)
    y = rpc.call("forward", session="norm", x=x)["y"]
    (told,) = rpc.call("session.describe", session="norm")["layers"]
    assert told.get("num_groups") == groups and "lazy" not in told
    create(rpc, layer, input=[6, 3, 4])
    assert np.array_equal(y, rpc.call("forward", session="norm", x=x)["y"])
