# SPDX-License-Identifier: Apache-2.0
"""Convolution, pooling, dropout and activations over the wire."""

import functools
import hashlib

import numpy as np
import pytest
from harness import safetensors
from harness.daemon import Daemon
from harness.rpc import RpcError

IMAGES = {
    "pytorch": [
        {"type": "conv2d", "out": 8, "kernel_size": 3, "padding": 1}, {"type": "batch_norm"},
        {"type": "relu"}, {"type": "max_pool2d", "kernel_size": 2},
        {"type": "conv2d", "out": 6, "kernel_size": 3, "groups": 2}, {"type": "batch_norm"},
        {"type": "silu"}, {"type": "dropout", "p": 0.25}, {"type": "global_avg_pool2d"},
        {"type": "flatten"}, {"type": "dropout"}, {"type": "linear", "out": 4},
    ],
    "keras": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "padding": "same"},
        {"type": "batch_norm"}, {"type": "activation", "activation": "relu"},
        {"type": "max_pooling2d"}, {"type": "conv2d", "filters": 6, "kernel_size": 3, "groups": 2},
        {"type": "batch_norm"}, {"type": "activation", "activation": "gelu"},
        {"type": "dropout", "rate": 0.25}, {"type": "flatten"}, {"type": "dense", "units": 4},
    ],
}
SHAPE = {"pytorch": [2, 12, 10], "keras": [12, 10, 2]}


def create(rpc, name, convention, **options):
    fields = {"input": SHAPE[convention], "loss": "cross_entropy", "optimizer": "adam", "seed": 3}
    layers = IMAGES[convention]
    rpc.call(
        "session.create", session=name, convention=convention, layers=layers,
        **{**fields, **options})


def train(rpc, name, convention, steps, first=0):
    """Trains on batches that their number makes; gives the losses."""
    losses = []
    for step in range(first, first + steps):
        random = np.random.default_rng(step)
        x = random.normal(size=[21] + SHAPE[convention]).astype("f4")
        target = random.integers(0, 4, 21)
        losses.append(rpc.call("train", session=name, x=x, target=target)["loss"])
    return losses


def export(rpc, name):
    return rpc.call("session.export", session=name, format="safetensors")["data"]


@functools.lru_cache(maxsize=None)
def digest(threads):
    """Of networks in both conventions, trained by a daemon with so many threads."""
    digest = hashlib.sha256()
    with Daemon("--threads", str(threads)) as daemon, daemon.connect() as rpc:
        for convention in IMAGES:
            create(rpc, "net", convention, if_exists="replace")
            digest.update(repr(train(rpc, "net", convention, 4)).encode())
            digest.update(export(rpc, "net"))
    return digest.hexdigest()


@pytest.mark.parametrize("threads", [2, 5])
def test_bits_of_images_and_dropout_do_not_depend_on_threads(threads):
    assert digest(threads) == digest(1)


@pytest.mark.parametrize("convention", IMAGES)
def test_an_exported_network_goes_on_with_the_same_bits(rpc, name, convention):
    create(rpc, name, convention)
    train(rpc, name, convention, 3)
    rpc.call("session.import", session=name + "-copy", format="safetensors", data=export(rpc, name))
    assert train(rpc, name, convention, 3, 3) == train(rpc, name + "-copy", convention, 3, 3)
    assert export(rpc, name) == export(rpc, name + "-copy")


def test_a_file_may_leave_out_what_no_framework_stores(rpc, name):
    create(rpc, name, "pytorch")
    train(rpc, name, "pytorch", 2)
    tensors = safetensors.load(export(rpc, name))
    assert int(tensors["7.draws"]) == int(tensors["10.draws"]) == 2
    foreign = {
        key: value for key, value in tensors.items()
        if not key.startswith("optimizer.") and not key.endswith(".draws")
    }
    train(rpc, name, "pytorch", 1)
    rpc.call(
        "session.import", session=name, format="safetensors", data=safetensors.save(foreign))
    after = safetensors.load(export(rpc, name))
    assert int(after["7.draws"]) == int(after["10.draws"]) == 3
    assert after["0.weight"].tobytes() == tensors["0.weight"].tobytes()


def test_the_frameworks_counts_leave_out_the_draws(rpc, name):
    create(rpc, name, "pytorch")
    counts = rpc.call("session.describe", session=name)["parameters"]
    # The means, variances and counters of two batch norms.
    assert counts["pytorch"]["buffers"] == 2 * (8 + 6) + 2
    assert counts["keras"]["non_trainable"] == 2 * (8 + 6)


@pytest.mark.parametrize("convention", IMAGES)
def test_a_norm_behind_a_convolution_is_folded_into_it(rpc, name, convention):
    create(rpc, name, convention)
    train(rpc, name, convention, 2)
    answer = rpc.call("session.export", session=name, format="safetensors", fold=True)
    folded = name + "-folded"
    rpc.call("session.import", session=folded, format="safetensors", data=answer["data"])
    kinds = [layer["type"] for layer in rpc.call("session.describe", session=folded)["layers"]]
    assert "batch_norm" not in kinds and kinds.count("conv2d") == 2
    x = np.random.default_rng(9).normal(size=[3] + SHAPE[convention]).astype("f4")
    want = rpc.call("infer", session=name, x=x)["y"]
    got = rpc.call("infer", session=folded, x=x)["y"]
    # Some hundred products of numbers of order 1 in two convolutions and a linear.
    np.testing.assert_allclose(got, want, atol=500 * 2.0**-24 * np.abs(want).max())


WRONG = [
    ([{"type": "linear", "in": 2, "out": 3}], "layers[0].in", "expected 10"),
    ([{"type": "conv2d", "out": 3, "kernel_size": 13}], "layers[0].type", "(N, 2, 12, 10)"),
    ([{"type": "conv2d", "out": 3, "kernel_size": 0}], "layers[0].kernel_size", "[1, 65536]"),
    ([{"type": "conv2d", "out": 3, "kernel_size": 3, "groups": 2}], "layers[0].groups", "divisor"),
    ([{"type": "max_pool2d", "kernel_size": 3, "padding": 2}], "layers[0].padding", "half"),
    ([{"type": "flatten"}, {"type": "max_pool2d", "kernel_size": 2}], "layers[1].type",
     "(N, 240)"),
    ([{"type": "dropout", "p": -0.1}], "layers[0].p", "[0, 1]"),
    ([{"type": "softplus", "beta": "one"}], "layers[0].beta", "a number"),
    ([{"type": "activation", "activation": "maxout"}], "layers[0].activation", "\"gelu\""),
    ([{"type": "silu", "beta": 2}], "layers[0]", "\"beta\""),
]


@pytest.mark.parametrize("layers, where, what", WRONG)
def test_a_mistake_is_refused_at_create_and_named(rpc, name, layers, where, what):
    with pytest.raises(RpcError) as caught:
        rpc.call("session.create", session=name, input=SHAPE["pytorch"], layers=layers)
    message = str(caught.value)
    assert where in message and what in message


def test_images_of_another_shape_are_refused(rpc, name):
    layers = [{"type": "conv2d", "in": 3, "out": 2, "kernel_size": 3}]
    rpc.call("session.create", session=name, layers=layers)
    for shape in ((1, 2, 5, 5), (1, 3, 2, 5), (1, 3, 5), (1, 5, 5, 3)):
        with pytest.raises(RpcError) as caught:
            rpc.call("infer", session=name, x=np.zeros(shape, "f4"))
        assert "(N, 3, height, width), where a window of 3 x 3 fits" in str(caught.value)
    assert rpc.call("infer", session=name, x=np.zeros((0, 3, 5, 5), "f4"))["y"].shape == (0, 2, 3, 3)
