# SPDX-License-Identifier: Apache-2.0
"""Optimizers over the wire: what is described, refused, accumulated and carried by a file."""

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError

LAYERS = [{"type": "linear", "out": 8}, {"type": "batch_norm"}, {"type": "linear", "out": 3}]
TYPES = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "lion")
# Every option of a Keras class but those of schedules and averages, with defaults.
KERAS_ADAM = {
    "type": "adam", "learning_rate": 1e-3, "weight_lr": 1e-3, "bias_lr": 1e-3, "beta_1": 0.9,
    "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False, "weight_decay": 0.0,
    "gradient_accumulation_steps": None, "clipvalue": None, "clipnorm": None,
    "global_clipnorm": None, "groups": [], "no_decay": [],
}


def create(rpc, name, optimizer, **more):
    return rpc.call("session.create", session=name, layers=LAYERS, input=5, loss="cross_entropy",
                    optimizer=optimizer, if_exists="replace", **more)


def batches(count):
    random = np.random.default_rng(4)
    for _ in range(count):
        yield {"x": random.normal(size=(16, 5)).astype("f4"), "target": random.integers(0, 3, 16)}


def file_of(rpc, name):
    return rpc.call("session.export", session=name, format="safetensors")["data"]


def test_every_option_is_described_with_its_default(rpc, name):
    described = create(rpc, name, "adam", convention="keras")["optimizer"]
    assert {key: described[key] for key in KERAS_ADAM} == KERAS_ADAM


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_a_description_makes_the_same_optimizer(rpc, name, kind, convention):
    options = {"type": kind, "weight_decay": 0.125, "no_decay": ["norm", "bias"],
               "groups": [{"match": [2, "0.weight"], "lr": 0.5}], "clipvalue": 2.0}
    first = create(rpc, name, options, convention=convention)["optimizer"]
    group = first["groups"][0]
    assert group["match"] == [2, "0.weight"] and group["weight_decay"] == 0.125
    assert group["lr" if convention == "pytorch" else "learning_rate"] == 0.5
    assert create(rpc, name, first, convention=convention)["optimizer"] == first


@pytest.mark.parametrize("kind", TYPES)
def test_a_file_carries_the_whole_state_of_an_optimizer(rpc, name, kind):
    options = {"type": kind, "accumulate_steps": 3, "clip_grad_norm": 0.5,
               "groups": [{"match": "bias", "lr": 0.5}]}
    create(rpc, name, options)
    data = list(batches(13))
    for batch in data[:7]:
        rpc.call("train", session=name, **batch)
    copy = f"{name}-copy"
    rpc.call("session.import", session=copy, data=file_of(rpc, name))
    for batch in data[7:]:
        for session in (name, copy):
            rpc.call("train", session=session, **batch)
    assert file_of(rpc, name) == file_of(rpc, copy)
    waiting = safetensors.load(file_of(rpc, name))["optimizer.accumulated_batches"]
    assert waiting.shape == () and waiting == 1.0


def test_versions_count_batches_and_steps_count_steps(rpc, name):
    create(rpc, name, {"type": "sgd", "accumulate_steps": 4})
    for number, batch in enumerate(batches(9), start=1):
        answer = rpc.call("train", session=name, **batch)
        assert (answer["version"], answer["steps"]) == (number, number // 4)


def refusal(rpc, name, optimizer, convention="pytorch"):
    with pytest.raises(RpcError) as refused:
        create(rpc, name, optimizer, convention=convention)
    assert refused.value.code == "BAD_ARGUMENT"
    return str(refused.value)


def test_mistakes_are_named_and_what_is_allowed_is_listed(rpc, name):
    assert '"rmsprop"' in refusal(rpc, name, "adadelta")
    message = refusal(rpc, name, {"type": "adam", "groups": [{"match": "layer"}]})
    assert "optimizer.groups[0].match" in message and '"norm_weight"' in message
    message = refusal(rpc, name, {"type": "adam", "groups": [{"match": 1}, {"match": "norm"}]})
    assert "optimizer.groups[1].match" in message and "1.weight (norm_weight)" in message
    message = refusal(rpc, name, {"type": "adam", "no_decay": [7]})
    assert "optimizer.no_decay" in message and "2.bias (bias)" in message
    message = refusal(rpc, name, {"type": "adam", "clip_grad_norm": 1, "clip_grad_value": 1})
    assert "one way to clip" in message
    message = refusal(rpc, name, {"type": "sgd", "momentum": 2.0}, "keras")
    assert "optimizer.momentum" in message and "[0, 1]" in message
    message = refusal(rpc, name, {"type": "adagrad", "groups": [{"match": 0, "rho": 1}]})
    assert "optimizer.groups[0]" in message and '"lr_decay"' in message
    assert name not in rpc.call("session.list")["sessions"]
