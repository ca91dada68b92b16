# SPDX-License-Identifier: Apache-2.0
"""A ReLU behind a batch norm is computed along with it: the bits are those of the two apart."""

import numpy as np
import pytest

CASES = [
    ((64, 24), "pytorch", {}),
    ((40, 300), "pytorch", {"affine": False}),
    ((30000, 3), "pytorch", {}),
    ((700, 96), "keras", {"scale": False}),
    ((6, 20, 9, 7), "pytorch", {}),
    ((6, 9, 7, 20), "keras", {}),
    ((5, 8, 3), "pytorch", {"trainable": False}),
    ((64, 24), "keras", {"trainable": False}),
]


def create(rpc, name, shape, convention, dtype, options, relu):
    features = shape[-1 if convention == "keras" else 1]
    random = np.random.default_rng(5)
    layer = {"type": "batch_norm", "features": features, **options}
    if options.get("affine", True) and options.get("scale", True):
        key = "gamma_initializer" if convention == "keras" else "weight_init"
        layer[key] = random.normal(size=features).astype(dtype)
    if options.get("affine", True):
        key = "beta_initializer" if convention == "keras" else "bias_init"
        layer[key] = random.normal(size=features).astype(dtype)
    rpc.call(
        "session.create", session=name, convention=convention, dtype=dtype,
        layers=[layer] + ([{"type": "relu"}] if relu else []),
        optimizer={"type": "sgd", "lr": 0.01},
    )


def tensors(rpc, name):
    """All parameters and statistics, which show the gradients that were applied."""
    data = rpc.call("session.export", session=name, format="safetensors")["data"]
    return data[8 + int.from_bytes(data[:8], "little"):]


def step(rpc, name, x, dy, mask):
    forward = rpc.call("forward", session=name, x=x, **mask)
    backward = rpc.call("backward", session=name, step=forward["step"], dy=dy, apply=True)
    return forward["y"], backward


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, convention, options", CASES)
@pytest.mark.parametrize("masked", [False, True])
def test_the_bits_are_those_of_the_two_apart(
    rpc, name, shape, convention, options, dtype, masked
):
    create(rpc, name, shape, convention, dtype, options, relu=True)
    create(rpc, name + "-apart", shape, convention, dtype, options, relu=False)
    random = np.random.default_rng(6)
    x = (random.normal(size=shape) * 2 + 1).astype(dtype)
    dy = random.normal(size=shape).astype(dtype)
    places = shape[:-1] if convention == "keras" else shape[:1] + shape[2:]
    mask = {"mask": random.random(places) < 0.7} if masked else {}
    y, gradients = step(rpc, name, x, dy, mask)

    # The gate of the one is what y of the other says.
    apart = rpc.call("forward", session=name + "-apart", x=x, **mask)
    gated = np.where(apart["y"] <= 0, dy.dtype.type(0), dy)
    apart_gradients = rpc.call(
        "backward", session=name + "-apart", step=apart["step"], dy=gated, apply=True)
    assert y.tobytes() == np.where(apart["y"] < 0, dy.dtype.type(0), apart["y"]).tobytes()
    assert (y == 0).any() and (y > 0).any()
    assert gradients["dx"].tobytes() == apart_gradients["dx"].tobytes()
    assert tensors(rpc, name) == tensors(rpc, name + "-apart")

    inferred = rpc.call("infer", session=name, x=x)["y"]
    apart_inferred = rpc.call("infer", session=name + "-apart", x=x)["y"]
    assert inferred.tobytes() == np.where(
        apart_inferred < 0, dy.dtype.type(0), apart_inferred).tobytes()
