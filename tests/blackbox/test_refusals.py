# SPDX-License-Identifier: Apache-2.0
"""What session.create refuses: every option of every layer, loss and optimizer.

The options are those that the daemon describes, so a new one is tested from its first day; a new
kind needs a row in LAYERS. Each refusal names the path to the option, says what is expected and
what came, lists the words that are allowed, and leaves no session behind.
"""

import re

import numpy as np
import pytest
from harness.rpc import RpcError

IMAGE = [4, 6, 6]
# A valid layer of each kind: its options and the session's input.
LAYERS = {
    "batch_norm": ({}, 8),
    "batch_norm1d": ({}, 8),
    "batch_norm2d": ({}, IMAGE),
    "batch_norm3d": ({}, [4, 2, 3, 3]),
    "linear": ({"out": 3}, 8),
    "dense": ({"out": 3}, 8),
    "batch_normalization": ({}, 8), "layer_normalization": ({}, 8), "rms_normalization": ({}, 8),
    "group_normalization": ({"num_groups": 2}, [8, 4]),
    "relu": ({}, 8),
    "layer_norm": ({}, 8),
    "rms_norm": ({}, 8),
    "group_norm": ({"groups": 2}, IMAGE),
    "instance_norm": ({}, IMAGE),
    "instance_norm1d": ({}, [4, 6]),
    "instance_norm2d": ({}, IMAGE),
    "instance_norm3d": ({}, [4, 2, 3, 3]),
    "activation": ({"activation": "tanh"}, 8),
    "dropout": ({"p": 0.25}, 8),
    "flatten": ({}, IMAGE),
    "conv2d": ({"out": 3, "kernel_size": 2}, IMAGE),
    "max_pool2d": ({"kernel_size": 2}, IMAGE),
    "max_pooling2d": ({"kernel_size": 2}, IMAGE),
    "avg_pool2d": ({"kernel_size": 2}, IMAGE),
    "average_pooling2d": ({"kernel_size": 2}, IMAGE),
    "global_avg_pool2d": ({}, IMAGE),
    "global_average_pooling2d": ({}, IMAGE),
    "adaptive_avg_pool2d": ({}, IMAGE),
    "leaky_relu": ({}, 8), "relu6": ({}, 8), "elu": ({}, 8), "selu": ({}, 8), "gelu": ({}, 8),
    "silu": ({}, 8), "swish": ({}, 8), "hardswish": ({}, 8), "hard_swish": ({}, 8),
    "hard_silu": ({}, 8), "tanh": ({}, 8), "sigmoid": ({}, 8), "softplus": ({}, 8),
    "softmax": ({}, 8), "log_softmax": ({}, 8),
}
# Options whose values are words, and the words that a refusal lists.
WORDS = {
    "running_variance": ("biased", "unbiased"),
    "on_single_value": ("error", "allow"),
    "on_nonfinite": ("reject", "propagate"),
    "data_format": ("channels_first", "channels_last"),
    "approximate": ("none", "tanh"),
    "reduction": ("mean",),
}
# What an option takes besides values of its default's type.
ALSO_TAKEN = {"approximate": [True], "padding": [5]}
CONVENTIONS = ("pytorch", "keras")


def refusal(rpc, name, **fields):
    """The message with which session.create refuses; there is no session then."""
    with pytest.raises(RpcError) as caught:
        rpc.call("session.create", session=name, **fields)
    message = str(caught.value)
    with pytest.raises(RpcError, match="^NO_SUCH_SESSION"):
        rpc.call("session.describe", session=name)
    return message


def kinds(rpc, name, **fields):
    """The names that a refusal of a wrong one lists."""
    message = refusal(rpc, name, **fields)
    return re.findall(r'"(\w+)"', message.split(", got")[0])


def described(rpc, name, **fields):
    """The description of a valid session, which is deleted again."""
    answer = rpc.call("session.create", session=name, **fields)
    rpc.call("session.delete", session=name)
    return answer


def wrong_values(value):
    """Values that no option takes which has such a default."""
    wrong = [{"junk": 1}, "no such word"]
    if isinstance(value, bool):
        wrong += [1, 0.5, None]
    elif isinstance(value, (int, float)):
        wrong += [float("nan"), float("-inf"), True]
    elif isinstance(value, str):
        wrong += [5, True, None]
    return wrong


def check_option(rpc, name, path, option, value, fields_with):
    """Every wrong value of one option."""
    taken = ALSO_TAKEN.get(option, [])
    for wrong in wrong_values(value):
        if any(wrong is other for other in taken):
            continue
        message = refusal(rpc, name, **fields_with(wrong))
        assert re.match(rf"BAD_ARGUMENT {re.escape(path)}[.: \[]", message), (option, message)
        assert "expected " in message and ", got " in message, (option, message)
        for word in WORDS.get(option, ()):
            assert f'"{word}"' in message, (option, message)


def test_every_kind_of_layer_has_a_row_here(rpc, name):
    found = kinds(rpc, name, layers=[{"type": "no such layer"}])
    assert set(found) == set(LAYERS)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_every_option_of_a_layer_refuses_wrong_values(rpc, name, kind, convention):
    options, shape = LAYERS[kind]
    layer = {"type": kind, **options}
    fields = {"input": shape, "convention": convention}
    answer = described(rpc, name, layers=[layer], **fields)
    for option, value in answer["layers"][0].items():
        if option == "type":
            continue

        def fields_with(wrong, option=option):
            changed = {**answer["layers"][0], "type": kind, option: wrong}
            return {"layers": [changed], **fields}

        check_option(rpc, name, f"layers[0].{option}", option, value, fields_with)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_an_unknown_option_is_told_the_known_ones(rpc, name, kind, convention):
    options, shape = LAYERS[kind]
    layer = {"type": kind, **options}
    fields = {"input": shape, "convention": convention}
    answer = described(rpc, name, layers=[layer], **fields)
    known = answer["layers"][0]
    message = refusal(rpc, name, layers=[{**known, "epsilonn": 1}], **fields)
    assert message.startswith("BAD_ARGUMENT layers[0]: expected the keys ")
    assert message.endswith(', got "epsilonn"')
    for option in known:
        assert f'"{option}"' in message, message


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_option_of_a_loss_refuses_wrong_values(rpc, name, convention):
    fields = {"layers": [{"type": "relu"}], "input": 3, "convention": convention}
    for kind in kinds(rpc, name, loss="no such loss", **fields):
        answer = described(rpc, name, loss=kind, **fields)
        for option, value in answer["loss"].items():
            if option != "type":
                check_option(rpc, name, f"loss.{option}", option, value, lambda wrong: {
                    "loss": {"type": kind, option: wrong}, **fields})
        message = refusal(rpc, name, loss={"type": kind, "smooth": 1}, **fields)
        assert message.startswith("BAD_ARGUMENT loss: expected the keys ")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_option_of_an_optimizer_refuses_wrong_values(rpc, name, convention):
    fields = {"layers": [{"type": "linear", "out": 2}], "input": 3, "convention": convention}
    for kind in kinds(rpc, name, optimizer="no such rule", **fields):
        answer = described(rpc, name, optimizer=kind, **fields)
        for option, value in answer["optimizer"].items():
            if option != "type":
                check_option(rpc, name, f"optimizer.{option}", option, value, lambda wrong: {
                    "optimizer": {"type": kind, option: wrong}, **fields})
        message = refusal(rpc, name, optimizer={"type": kind, "rate": 1}, **fields)
        assert message.startswith("BAD_ARGUMENT optimizer: expected the keys ")


NORM = {"type": "batch_norm", "features": 4}
# The layers (or one), fields besides, how the message begins, what it says.
COMBINATIONS = [
    ({**NORM, "affine": True, "scale": False}, {}, "layers[0].affine", "scale and center"),
    ({**NORM, "affine": False, "weight_init": "ones"}, {}, "layers[0].weight_init",
     "affine or scale to be true"),
    ({**NORM, "center": False, "bias_init": 0}, {}, "layers[0].bias_init",
     "affine or center to be true"),
    ({**NORM, "track_running_stats": False, "running_var_init": 1}, {},
     "layers[0].running_var_init", "track_running_stats to be true"),
    ({**NORM, "track_running_stats": False, "frozen_stats": True}, {}, "layers[0].frozen_stats",
     "expected false where track_running_stats is false"),
    ({**NORM, "momentum": 1.5}, {}, "layers[0].momentum", "[0, 1] or null, got 1.5"),
    ({**NORM, "momentum": -0.1}, {}, "layers[0].momentum", "[0, 1] or null"),
    ({**NORM, "eps": -1e-9}, {}, "layers[0].eps", "[0, inf]"),
    ({**NORM, "axis": 0}, {}, "layers[0].axis", "1 (second) to 7, or -1 (last) to -7"),
    ({**NORM, "axis": 8}, {}, "layers[0].axis", "got 8"),
    ({**NORM, "axis": [1, 2]}, {}, "layers[0].axis", "one axis of the features"),
    ({**NORM, "axis": 3}, {"input": [4, 5]}, "layers[0].axis", "1 (second) to 2"),
    ({**NORM, "type": "batch_norm1d", "axis": 3}, {}, "layers[0].axis", "1 (second) to 2"),
    ({**NORM, "type": "batch_norm2d"}, {"input": [4, 5]}, "layers[0].type", "4 axes"),
    ({**NORM, "type": "batch_norm3d"}, {"input": [4, 5, 5]}, "layers[0].type", "5 axes"),
    ({**NORM, "type": "batch_norm1d"}, {"input": [4, 5, 5]}, "layers[0].type", "2 or 3 axes"),
    ({**NORM, "features": 0}, {}, "layers[0].features", "[1, 1073741824]"),
    ({**NORM, "features": 2**31}, {}, "layers[0].features", "[1, 1073741824]"),
    (NORM, {"input": 5}, "layers[0].features", "expected 5, what comes before, got 4"),
    ({**NORM, "lazy": True}, {}, "layers[0].lazy", "features is known, 4"),
    ({"type": "batch_norm", "lazy": False}, {}, "layers[0].features", "neither `input` nor"),
    ({"type": "batch_norm", "weight_init": [1.0]}, {}, "layers[0].weight_init",
     "from the first batch, got an array"),
    ({**NORM, "weight_init": [1.0, 2.0]}, {}, "layers[0].weight_init", "4 values, got 2"),
    ({**NORM, "weight_init": np.ones((2, 2), "f4")}, {}, "layers[0].weight_init",
     "shape (4,), got one of shape (2, 2)"),
    ({**NORM, "weight_init": np.float32([1, np.inf, 1, 1])}, {}, "layers[0].weight_init",
     "finite values"),
    ({**NORM, "running_var_init": [1, 1, -1, 1]}, {}, "layers[0].running_var_init",
     "0 or more, got -1 at position 2"),
    ({**NORM, "weight_init": "orthogonal"}, {}, "layers[0].weight_init.name",
     "of 2 axes or more alone"),
    ({**NORM, "weight_init": "Identity"}, {}, "layers[0].weight_init.name", "of 2 axes alone"),
    ({**NORM, "weight_init": "xavier_normal_"}, {}, "layers[0].weight_init.name", "2 axes"),
    ({**NORM, "weight_init": "random"}, {}, "layers[0].weight_init.name",
     "zeros, ones, constant, random_normal, truncated_normal, random_uniform, variance_scaling, "
     "glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, "
     "orthogonal, identity, torch_linear, uniform_, normal_, trunc_normal_"),
    ({**NORM, "weight_init": {"name": "constant", "val": 1}}, {}, "layers[0].weight_init",
     'expected the keys "name", "value", got "val"'),
    ({**NORM, "weight_init": {"name": "random_normal", "stddev": -1}}, {},
     "layers[0].weight_init.stddev", "[0, inf], got -1"),
    ({**NORM, "epsilon": 1e-3, "eps": 1e-3}, {}, "layers[0].epsilon", 'got "eps" as well'),
    ({"type": "instance_norm"}, {"input": 4}, "layers[0].type", "3 axes or more"),
    ({**NORM, "eps": 1e-3, "epsilon": 1e-3}, {"convention": "keras"}, "layers[0].eps",
     'got "epsilon" as well'),
    ([NORM, {"type": "batch_norm", "features": 5}], {}, "layers[1].features", "expected 4"),
    ([{"type": "linear", "out": 3}, NORM], {"input": 2}, "layers[1].features", "expected 3"),
    ({"type": "linear"}, {"input": 2}, "layers[0].out", "number of outputs"),
    ({"type": "linear", "out": 3, "in": 4}, {"input": 2}, "layers[0].in", "expected 2"),
    ({"type": "linear", "out": 3, "in": 2}, {"input": [2, 4]}, "layers[0].in", "expected 4"),
    ({"type": "softmax", "dim": 2}, {"input": 4}, "layers[0].dim", "to 1, or -1 (last) to -1"),
    ({"type": "softmax", "axis": 0}, {}, "layers[0].axis", "got 0"),
    ({"type": "log_softmax", "axis": [-1]}, {"convention": "keras"}, "layers[0].axis", "got [-1]"),
    (NORM, {"dtype": "float16"}, "dtype", '"float32", "float64"'),
    (NORM, {"convention": "flax"}, "convention", '"pytorch", "keras"'),
    (NORM, {"input": []}, "input", "a number of features"),
    (NORM, {"input": [0]}, "input", "numbers from 1, or null"),
    (NORM, {"seed": -1}, "seed", ""),
]


@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_a_wrong_combination_is_named(rpc, name, number):
    layers, fields, begins, says = COMBINATIONS[number]
    layers = layers if isinstance(layers, list) else [layers]
    message = refusal(rpc, name, layers=layers, **fields)
    assert re.match(rf"BAD_ARGUMENT {re.escape(begins)}[:. ]", message), message
    assert says in message, message
