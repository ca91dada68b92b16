# SPDX-License-Identifier: Apache-2.0
"""Options under either framework's name, class names as types, and what Keras serializes."""

import numpy as np
import pytest
from harness.rpc import RpcError


def described(rpc, name, **fields):
    fields.setdefault("layers", [{"type": "relu"}])
    answer = rpc.call("session.create", session=name, if_exists="replace", **fields)
    return {key: answer[key] for key in ("layers", "loss", "optimizer")}


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_every_option_has_both_names_under_either_convention(rpc, name, convention):
    pytorch = [
        {"type": "linear", "out": 6, "bias": True, "weight_init": "ones", "bias_init": "zeros"},
        {"type": "batch_norm", "eps": 0.5, "weight_init": "zeros", "bias_init": "ones",
         "running_mean_init": "ones", "running_var_init": "ones"},
        {"type": "softmax", "dim": 1}, {"type": "dropout", "p": 0.25},
    ]
    keras = [
        {"type": "dense", "units": 6, "use_bias": True, "kernel_initializer": "ones",
         "bias_initializer": "zeros"},
        {"type": "batch_normalization", "epsilon": 0.5, "gamma_initializer": "zeros",
         "beta_initializer": "ones", "moving_mean_initializer": "ones",
         "moving_variance_initializer": "ones", "synchronized": True},
        {"type": "Softmax", "axis": 1}, {"type": "dropout", "rate": 0.25},
    ]
    fields = {"input": 4, "convention": convention}
    one = described(rpc, name, layers=pytorch, **fields)
    assert one == described(rpc, name, layers=keras, **fields)
    kinds = [layer["type"] for layer in one["layers"]]
    assert kinds == ["linear", "batch_norm", "softmax", "dropout"]


def test_what_the_modules_call_their_features_is_taken(rpc, name):
    layers = [
        {"type": "Linear", "in_features": 4, "out_features": 6},
        {"type": "BatchNorm1d", "num_features": 6}, {"type": "ReLU"},
        {"type": "LayerNorm", "normalized_shape": 6}, {"type": "LogSoftmax"},
    ]
    linear, norm = described(rpc, name, layers=layers)["layers"][:2]
    assert (linear["in"], linear["out"], norm["features"]) == (4, 6, 6)
    with pytest.raises(RpcError, match="layers.0..in_features: expected 3, what comes before"):
        described(rpc, name, layers=layers, input=3)


SERIALIZED_ADAM = {
    "module": "keras.optimizers", "registered_name": "Adam", "class_name": "Adam",
    "config": {
        "name": "adam", "weight_decay": None, "clipnorm": None, "global_clipnorm": None,
        "clipvalue": None, "use_ema": False, "ema_momentum": 0.99,
        "ema_overwrite_frequency": None, "loss_scale_factor": None,
        "gradient_accumulation_steps": None, "beta_1": 0.8, "beta_2": 0.999, "epsilon": 1e-7,
        "amsgrad": False,
        "learning_rate": {
            "module": "keras.optimizers.schedules", "class_name": "ExponentialDecay",
            "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9,
                       "staircase": False, "name": "ExponentialDecay"},
            "registered_name": None},
    },
}


def test_a_serialized_optimizer_with_its_schedule_is_taken(rpc, name):
    plain = {
        "type": "adam", "beta_1": 0.8, "learning_rate": {
            "type": "exponential_decay", "initial_learning_rate": 0.1, "decay_steps": 10,
            "decay_rate": 0.9}}
    one = described(rpc, name, convention="keras", optimizer=SERIALIZED_ADAM)
    assert one == described(rpc, name, convention="keras", optimizer=plain)
    assert one["optimizer"]["learning_rate"] == 0.1
    broken = {**SERIALIZED_ADAM, "config": {"loss_scale_factor": 2.0}}
    with pytest.raises(RpcError, match="loss_scale_factor"):
        described(rpc, name, convention="keras", optimizer=broken)


@pytest.mark.parametrize("kind, word", [
    ("SGD", "sgd"), ("AdamW", "adamw"), ("RMSprop", "rmsprop"), ("NAdam", "nadam"),
    ("Nadam", "nadam"), ("Adagrad", "adagrad"), ("Lion", "lion")])
def test_an_optimizers_class_names_its_type(rpc, name, kind, word):
    assert described(rpc, name, optimizer=kind)["optimizer"]["type"] == word


@pytest.mark.parametrize("kind, word", [
    ("CrossEntropyLoss", "cross_entropy"), ("MSELoss", "mse"), ("L1Loss", "l1"),
    ("SmoothL1Loss", "smooth_l1"), ("HuberLoss", "huber"), ("Huber", "huber"),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"), ("MeanSquaredError", "mse"),
    ("MeanAbsoluteError", "l1"), ("BinaryCrossentropy", "binary_crossentropy"),
    ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")])
def test_a_losses_class_names_its_type(rpc, name, kind, word):
    fields = {"input": 3, "loss": kind}
    assert described(rpc, name, **fields)["loss"]["type"] == word


@pytest.mark.parametrize("config, kind", [
    ({"name": "sparse_categorical_crossentropy", "reduction": "sum_over_batch_size",
      "from_logits": False, "ignore_class": 2}, "SparseCategoricalCrossentropy"),
    ({"name": "categorical_crossentropy", "reduction": "sum", "from_logits": True,
      "label_smoothing": 0.1, "axis": -1}, "CategoricalCrossentropy"),
    ({"name": "binary_crossentropy", "reduction": "sum_over_batch_size", "from_logits": True,
      "label_smoothing": 0.0, "axis": -1}, "BinaryCrossentropy"),
    ({"name": "huber_loss", "reduction": "sum_over_batch_size"}, "Huber")])
def test_a_serialized_loss_is_taken(rpc, name, config, kind):
    serialized = {"module": "keras.losses", "class_name": kind, "config": config,
                  "registered_name": None}
    fields = {"input": 3, "convention": "keras"}
    one = described(rpc, name, loss=serialized, **fields)["loss"]
    assert one["reduction"] == config["reduction"]
    assert all(one[key] == config[key] for key in config if key in one)
    with pytest.raises(RpcError, match="loss: expected the keys"):
        described(rpc, name, loss={**serialized, "config": {"gamma": 1}}, **fields)


def test_class_weights_are_a_list_or_a_map_of_classes(rpc, name):
    loss = "sparse_categorical_crossentropy"
    fields = {"input": 3, "convention": "keras"}
    as_map = {"type": loss, "class_weight": {0: 2.0, "2": 0.5}}
    as_list = {"type": loss, "class_weight": [2.0, 1.0, 0.5]}
    assert described(rpc, name, loss=as_map, **fields) == described(rpc, name, loss=as_list, **fields)
    for wrong in ({3: 1.0}, {"one": 1.0}, {1: "much"}, {1: -1.0}):
        with pytest.raises(RpcError, match="loss.class_weight: expected"):
            described(rpc, name, loss={"type": loss, "class_weight": wrong}, **fields)
    with pytest.raises(RpcError, match="nothing tells the number of classes"):
        described(rpc, name, loss=as_map, convention="keras")


def test_instance_norm_of_vectors_is_refused_at_create(rpc, name):
    layers = [{"type": "instance_norm"}]
    with pytest.raises(RpcError, match="expected an input of 3 axes or more before instance_norm"):
        described(rpc, name, layers=layers, input=4)
    layers = [{"type": "instance_norm", "on_single_value": "allow"}]
    described(rpc, name, layers=layers, input=4)
    rpc.call("forward", session=name, x=np.ones((2, 4), "f4"))
