# SPDX-License-Identifier: Apache-2.0
"""Features that nothing tells come from the first batch, as in PyTorch's lazy modules."""

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError
from models import batch, classifier

X, TARGET = batch(0)
LAYERS = [
    {"type": "conv2d", "out": 4, "kernel_size": 2},
    {"type": "batch_norm2d"},
    {"type": "relu"},
    {"type": "flatten"},
    {"type": "linear", "out": 3},
]


def lazy(**options):
    """The classifier without its input."""
    fields = classifier(**options)
    del fields["input"]
    return fields


def tensors(rpc, session):
    """Every tensor that the session exports."""
    return safetensors.load(
        rpc.call("session.export", session=session, format="safetensors")["data"])


def assert_same(rpc, one, other):
    """The same bits in every tensor of the two sessions."""
    of_one, of_other = tensors(rpc, one), tensors(rpc, other)
    assert of_one.keys() == of_other.keys()
    for key, values in of_one.items():
        np.testing.assert_array_equal(values, of_other[key], err_msg=key)


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_the_first_batch_gives_what_a_told_input_gives(rpc, name, convention):
    made = rpc.call("session.create", session=name, convention=convention, **lazy())
    assert made["layers"][0]["in"] is None and made["layers"][0]["lazy"] is True
    assert made["input"] is None
    rpc.call("session.create", session=name + "-told", convention=convention, **classifier())
    for number in range(3):
        x, target = batch(number)
        first = rpc.call("train", session=name, x=x, target=target)
        second = rpc.call("train", session=name + "-told", x=x, target=target)
        assert first == second
    assert_same(rpc, name, name + "-told")
    description = rpc.call("session.describe", session=name)
    assert description["layers"][0]["in"] == 6 and "lazy" not in description["layers"][0]
    assert description["input"] is None and description["version"] == 3


@pytest.mark.parametrize("convention, shape", [("pytorch", (5, 2, 6, 5)), ("keras", (5, 6, 5, 2))])
def test_images_tell_channels_and_what_is_behind_flatten(rpc, name, convention, shape):
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    target = np.arange(5) % 3
    fields = {"layers": LAYERS, "loss": "cross_entropy", "convention": convention, "seed": 3}
    rpc.call("session.create", session=name, **fields)
    rpc.call("session.create", session=name + "-told", input=list(shape[1:]), **fields)
    for session in (name, name + "-told"):
        rpc.call("train", session=session, x=x, target=target)
    assert_same(rpc, name, name + "-told")


def test_before_the_first_batch_there_is_nothing_to_read(rpc, name):
    rpc.call("session.create", session=name, **lazy())
    message = "^BAD_ARGUMENT session: expected one whose features are known; layers.0. takes them"
    for method, fields in (("infer", {"x": X}), ("evaluate", {"x": X, "target": TARGET}),
                           ("session.export", {"format": "safetensors"}),
                           ("session.export", {"format": "npz"})):
        with pytest.raises(RpcError, match=message):
            rpc.call(method, session=name, **fields)
    rpc.call("session.create", session=name + "-norm", layers=[{"type": "batch_norm"}])
    layer, = rpc.call("stats", session=name + "-norm")["layers"]
    assert layer == {"name": "0", "type": "batch_norm", "num_batches_tracked": 0}


def test_a_first_batch_that_is_refused_leaves_it_lazy(rpc, name):
    rpc.call("session.create", session=name, **lazy())
    before = rpc.call("session.describe", session=name)
    bad = X.copy()
    bad[2, 1] = np.nan
    for x, target, code in ((X[:, :, None], TARGET, "BAD_SHAPE x"), (X[0], TARGET, "BAD_SHAPE x"),
                            (X[:1], TARGET[:1], "BAD_SHAPE layers"), (bad, TARGET, "NOT_FINITE x"),
                            (X, TARGET + 9, "BAD_ARGUMENT target")):
        with pytest.raises(RpcError, match=f"^{code}"):
            rpc.call("train", session=name, x=x, target=target)
        assert rpc.call("session.describe", session=name) == before
    rpc.call("train", session=name, x=X[:, :4], target=TARGET)
    with pytest.raises(RpcError, match=r"^BAD_SHAPE x: expected \(N, \.\.\., 4\), got \(16, 6\)"):
        rpc.call("train", session=name, x=X, target=TARGET)


def test_it_is_still_the_session_that_was_created(rpc, name):
    rpc.call("session.create", session=name, **lazy())
    rpc.call("train", session=name, x=X, target=TARGET)
    assert rpc.call("session.create", session=name, if_exists="ok", **lazy())["created"] is False
    with pytest.raises(RpcError, match="^SESSION_EXISTS"):
        rpc.call("session.create", session=name, if_exists="ok", **classifier())


def test_what_cannot_wait_for_a_batch_is_refused(rpc, name):
    for layer, says in (
        ({"type": "batch_norm", "weight_init": [1.0, 2.0]}, "from the first batch, got an array"),
        ({"type": "batch_norm", "lazy": False}, "neither `input` nor an earlier layer"),
        ({"type": "batch_norm", "features": 3, "lazy": True}, "where features is known, 3"),
    ):
        with pytest.raises(RpcError, match="^BAD_ARGUMENT layers.0.") as caught:
            rpc.call("session.create", session=name, layers=[layer])
        assert says in str(caught.value)
