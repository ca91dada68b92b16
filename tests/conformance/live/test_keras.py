# SPDX-License-Identifier: Apache-2.0
"""What a model of Keras is made of, option by option, into a session and back."""

import keras
import normd.keras
import normd.torch
import numpy as np
import pytest
from torch import nn

kl = keras.layers
# Some dozens of roundings of numbers near 1, in one framework and in the other.
BOUND = 128 * 2.0**-24


def near(got, want, bound=BOUND):
    got, want = np.asarray(got, "f8"), np.asarray(want, "f8")
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= bound * max(1.0, np.abs(want).max())


def random(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def read(client, model, **options):
    return normd.keras.from_layer(client, "read", model, if_exists="replace", **options)


def create(client, layers, **options):
    options = {"convention": "keras", **options}
    return client.create("made", layers, if_exists="replace", **options)


def same_weights(one, other):
    for ours, theirs in zip(one.get_weights(), other.get_weights()):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert len(one.get_weights()) == len(other.get_weights())


def batches(session, model, shape, count=6, targets=2):
    """Trains both on the same batches; the losses of each."""
    losses = []
    for seed in range(count):
        x, target = random(16, *shape, seed=seed), random(16, targets, seed=100 + seed)
        losses.append((session.train(x, target).loss, model.train_on_batch(x, target)))
    return np.array(losses, "f8")


# ---- Layers in more than one place ----


def test_weights_in_two_places_are_refused_and_shared_activations_taken(client):
    dense = kl.Dense(4)
    model = keras.Sequential([keras.Input((4,)), dense, kl.ReLU(), dense])
    with pytest.raises(ValueError, match="the weights of 'dense.*' in two places"):
        read(client, model)
    relu = kl.ReLU()
    inputs = keras.Input((4,))
    outputs = relu(kl.Dense(3)(relu(kl.Dense(5)(inputs))))
    model = keras.Model(inputs, outputs)
    session = read(client, model)
    assert [layer["type"] for layer in session.describe()["layers"]] == [
        "linear", "relu", "linear", "relu"]
    x = random(8, 4)
    near(session.infer(x).y, model.predict(x, verbose=0))
    again = keras.Model(inputs, kl.Dense(2)(outputs))
    near(read(client, again).infer(x).y, again.predict(x, verbose=0))
    shared = keras.Sequential([keras.Input((3,)), kl.Dense(3)])
    twice = keras.Model(shared.inputs, shared(shared.outputs[0]))
    with pytest.raises(ValueError, match="in two places"):
        read(client, twice)


# ---- Options of layers ----


def test_regularizers_and_constraints_are_those_of_the_model(client):
    keras.utils.set_random_seed(1)
    regularizers, constraints = keras.regularizers, keras.constraints
    model = keras.Sequential([
        keras.Input((6, 6, 2)),
        kl.Conv2D(3, 3, kernel_regularizer=regularizers.L1L2(0.01, 0.02),
                  kernel_constraint=constraints.MaxNorm(0.5, axis=[0, 1, 2])),
        kl.BatchNormalization(gamma_constraint=constraints.NonNeg(),
                              beta_regularizer=regularizers.L1(0.03)),
        kl.Flatten(),
        kl.Dense(4, bias_regularizer="l2", kernel_constraint=constraints.UnitNorm()),
        kl.LayerNormalization(gamma_regularizer=regularizers.L2(0.1)),
        kl.Dense(2, kernel_constraint=constraints.MinMaxNorm(0.2, 0.8, 0.5))])
    session = read(client, model, loss="mse", optimizer=keras.optimizers.SGD(0.05))
    back = normd.keras.to_model(session)
    options = ("regularizer", "constraint")
    for one, other in zip(model.layers, back.layers):
        for key, value in one.get_config().items():
            if key.endswith(options):
                given = other.get_config()[key]
                assert (given is None) == (value is None)
                assert value is None or given["class_name"] == value["class_name"]
                for name, number in value["config"].items() if value else ():
                    assert given["config"][name] == pytest.approx(number), name
    back.compile(keras.optimizers.SGD(0.05), "mse")
    losses = batches(session, back, (6, 6, 2))
    # A float32 rounding a value and step; without the penalties the first loss is another one.
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=2e-4)
    for ours, theirs in zip(normd.keras.get_weights(session), back.get_weights()):
        near(ours, theirs, 2e-4)


def test_an_activity_regularizer_is_refused_by_name(client):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2, activity_regularizer="l2")])
    with pytest.raises(ValueError, match="Dense: .* activity_regularizer"):
        read(client, model)


def test_renorm_moves_with_its_statistics(client):
    keras.utils.set_random_seed(2)
    clipping = {"rmax": 3.0, "rmin": 1 / 3, "dmax": 5.0}
    model = keras.Sequential([
        keras.Input((5,)), kl.Dense(4),
        kl.BatchNormalization(renorm=True, renorm_clipping=clipping, renorm_momentum=0.9,
                              momentum=0.8), kl.Dense(2)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    for seed in range(5):
        model.train_on_batch(random(16, 5, seed=seed), random(16, 2, seed=50 + seed))
    session = read(client, model, loss="mse", optimizer=model.optimizer)
    back = normd.keras.to_model(session)
    same_weights(model, back)
    config = back.layers[1].get_config()
    assert config["renorm_clipping"] == clipping and config["renorm_momentum"] == 0.9
    losses = batches(session, model, (5,))
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=2e-4)
    for ours, theirs in zip(normd.keras.get_weights(session), model.get_weights()):
        near(ours, theirs, 2e-4)


def test_rms_normalization_is_read_and_made(client):
    model = keras.Sequential([keras.Input((3, 4)), kl.RMSNormalization(epsilon=1e-3),
                              kl.RMSNormalization(axis=[-2, -1])])
    model.layers[0].set_weights([random(4)])
    model.layers[1].set_weights([random(3, 4)])
    session = read(client, model)
    back = normd.keras.to_model(session)
    same_weights(model, back)
    assert back.layers[0].epsilon == 1e-3
    x = random(8, 3, 4)
    near(session.infer(x).y, model.predict(x, verbose=0))
    near(back.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_standard_classifier_of_keras_is_a_session(client):
    keras.utils.set_random_seed(5)
    model = keras.Sequential([
        keras.Input((6, 5)), kl.Dense(8, activation="relu"), kl.Dense(4), kl.Flatten(),
        kl.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    session = read(client, model, loss="sparse_categorical_crossentropy",
                   optimizer=keras.optimizers.Adam(0.01))
    assert [layer["type"] for layer in session.describe()["layers"]] == [
        "linear", "relu", "linear", "flatten", "linear", "softmax"]
    for seed in range(5):
        x, labels = random(32, 6, 5, seed=seed), np.arange(32) % 3
        want = model.train_on_batch(x, labels)
        np.testing.assert_allclose(session.train(x, labels).loss, want, rtol=2e-4)
    back = normd.keras.to_model(session)
    near(back.predict(x, verbose=0), session.infer(x).y)
    near(read(client, back).infer(x).y, session.infer(x).y)
    axis = keras.Sequential([keras.Input((3, 4)), kl.Softmax(axis=1), kl.Activation("softmax")])
    made = read(client, axis)
    near(made.infer(x[:, :3, :4]).y, axis.predict(x[:, :3, :4], verbose=0))
    near(normd.keras.to_model(made).predict(x[:, :3, :4], verbose=0), made.infer(x[:, :3, :4]).y)


@pytest.mark.parametrize("layer, message", [
    ({"type": "batch_norm", "virtual_batch_size": 4}, "virtual_batch_size 4"),
    ({"type": "batch_norm", "frozen_stats": True}, "frozen_stats and trainable parameters"),
    ({"type": "rms_norm", "scale": False}, "rms_norm without scale"),
    ({"type": "rms_norm", "gamma_regularizer": "l2"}, "rms_norm with gamma_regularizer"),
    ({"type": "instance_norm", "track_running_stats": True}, "with running statistics"),
])
def test_what_keras_has_no_layer_for_is_refused_by_name(client, layer, message):
    session = create(client, [layer], input=[4, 3])
    with pytest.raises(ValueError, match=message):
        normd.keras.to_model(session)


def test_a_session_of_doubles_becomes_layers_of_doubles(client):
    layers = [{"type": "linear", "units": 5}, {"type": "batch_norm"}, {"type": "tanh"},
              {"type": "linear", "units": 2}]
    session = create(client, layers, input=[3], dtype="float64")
    model = normd.keras.to_model(session)
    assert all(layer.compute_dtype == "float64" for layer in model.layers)
    for ours, theirs in zip(normd.keras.get_weights(session), model.get_weights()):
        assert theirs.dtype == np.float64
        np.testing.assert_array_equal(ours, theirs)
    x = random(8, 3).astype("f8")
    got = keras.ops.convert_to_numpy(model(x))
    assert got.dtype == np.float64
    # This backend of Keras multiplies and normalizes in float32 whatever the type of the layers.
    near(got, session.infer(x).y)
    again = read(client, model)
    np.testing.assert_array_equal(again.infer(x).y, session.infer(x).y)


def test_flatten_from_a_later_axis_is_a_reshape(client):
    layers = [{"type": "relu"}, {"type": "flatten", "start_dim": 2}]
    session = create(client, layers, input=[3, 4, 2])
    model = normd.keras.to_model(session)
    x = random(5, 3, 4, 2)
    got = model.predict(x, verbose=0)
    assert got.shape == (5, 3, 8)
    np.testing.assert_array_equal(got, session.infer(x).y)
    assert read(client, model).describe()["layers"][1] == session.describe()["layers"][1]
    other = keras.Sequential([keras.Input((4, 2)), kl.Reshape((2, 4))])
    with pytest.raises(ValueError, match=r"target_shape \(2, 4\), which does not flatten"):
        read(client, other)


# ---- Padding ----


def average(**options):
    return nn.AvgPool2d(3, padding=1, **options)


@pytest.mark.parametrize("modules, zeros", [
    ([nn.Conv2d(2, 4, 3, padding=1)], 0),
    ([nn.Conv2d(2, 4, (3, 5), padding=(1, 2), bias=False)], 0),
    ([nn.Conv2d(2, 4, 3, padding=2, dilation=2)], 0),
    ([nn.Conv2d(2, 4, 3, padding=2)], 1),
    ([nn.Conv2d(2, 4, 3, padding=1, stride=2)], 1),
    ([nn.Conv2d(2, 4, 3, padding=1, stride=3)], 1),
    ([nn.Conv2d(2, 4, 4, padding=(1, 0))], 1),
    ([nn.MaxPool2d(3, 1, padding=1)], 0),
    ([nn.MaxPool2d(3, 2, padding=1)], 0),
    ([nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Dropout(0.5), nn.MaxPool2d(3, 2, padding=1)], 1),
    ([average(stride=1)], 1),
    ([average(stride=1, count_include_pad=False)], 0),
    ([average(stride=2)], 1),
    ([average(stride=2, count_include_pad=False)], 0),
])
def test_padding_is_exact_in_keras_and_read_back(client, modules, zeros):
    module = nn.Sequential(*modules).eval()
    session = normd.torch.from_module(client, "pads", module, input=[2, 9, 9], if_exists="replace")
    model = normd.keras.to_model(session)
    assert sum(type(layer) is kl.ZeroPadding2D for layer in model.layers) == zeros
    x = random(4, 2, 9, 9)
    want = session.infer(x).y
    near(model.predict(x, verbose=0), want)
    again = read(client, model)
    np.testing.assert_array_equal(again.infer(x).y, want)


def test_padding_that_is_not_exact_in_keras_is_refused(client):
    module = nn.MaxPool2d(3, 2, padding=1)
    session = normd.torch.from_module(client, "pads", module, input=[2, 8, 8], if_exists="replace")
    with pytest.raises(ValueError, match=r"max_pool2d with padding \[1, 1\] has no layer"):
        normd.keras.to_model(session)
    for layers, message in [
        ([kl.ZeroPadding2D(), kl.MaxPooling2D()], "zeros before MaxPooling2D"),
        ([kl.ZeroPadding2D(((1, 0), (0, 1))), kl.Conv2D(2, 3)], "same on both sides"),
        ([kl.ZeroPadding2D(), kl.ReLU()], "not right before"),
        ([kl.ZeroPadding2D()], "a padding at the end"),
    ]:
        with pytest.raises(ValueError, match=message):
            read(client, keras.Sequential([keras.Input((8, 8, 2)), *layers]))


# ---- Optimizers ----

SCHEDULES = keras.optimizers.schedules


def small():
    keras.utils.set_random_seed(4)
    return keras.Sequential([
        keras.Input((5,)), kl.Dense(8, activation="relu"), kl.BatchNormalization(), kl.Dense(2)])


@pytest.mark.parametrize("make", [
    lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    lambda: keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=4),
    lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_overwrite_frequency=4),
    lambda: keras.optimizers.Adam(SCHEDULES.ExponentialDecay(0.02, 2, 0.5)),
    lambda: keras.optimizers.SGD(SCHEDULES.PiecewiseConstantDecay([3, 5], [0.1, 0.05, 0.01])),
    lambda: keras.optimizers.Nadam(SCHEDULES.PolynomialDecay(0.02, 8, power=2.0)),
    lambda: keras.optimizers.RMSprop(SCHEDULES.InverseTimeDecay(0.01, 2, 0.5)),
    lambda: keras.optimizers.Lion(SCHEDULES.CosineDecay(
        0.001, 8, warmup_target=0.01, warmup_steps=3)),
    lambda: keras.optimizers.Adagrad(SCHEDULES.CosineDecayRestarts(0.1, 3)),
    lambda: keras.optimizers.Adam(
        SCHEDULES.ExponentialDecay(0.02, 2, 0.5), gradient_accumulation_steps=3),
])
def test_training_goes_on_with_every_option_of_an_optimizer(client, make):
    model = small()
    model.compile(make(), "mse")
    for seed in range(4):
        model.train_on_batch(random(16, 5, seed=seed), random(16, 2, seed=50 + seed))
    session = read(client, model, loss="mse", optimizer=model.optimizer)
    copy = normd.keras.to_model(session)
    other = normd.keras.to_optimizer(session, copy)
    for ours, theirs in zip(other.variables, model.optimizer.variables):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))
    assert len(other.variables) == len(model.optimizer.variables)
    ours, theirs = other.get_config(), model.optimizer.get_config()
    for key in ("learning_rate", "use_ema", "ema_momentum", "gradient_accumulation_steps"):
        if key == "learning_rate" and not isinstance(ours[key], float):
            want = SCHEDULES.deserialize(theirs[key])
            rates = [float(SCHEDULES.deserialize(ours[key])(step)) for step in range(9)]
            assert rates == pytest.approx([float(want(step)) for step in range(9)])
        elif key != "ema_momentum" or theirs["use_ema"]:
            assert ours[key] == theirs[key]
    copy.compile(other, "mse")
    losses = batches(session, model, (5,))
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=2e-4)
    again = []
    for seed in range(len(losses)):
        x, target = random(16, 5, seed=seed), random(16, 2, seed=100 + seed)
        again.append(copy.train_on_batch(x, target))
    np.testing.assert_allclose(again, losses[:, 1], rtol=2e-4)


def test_weights_without_decay_are_those_of_the_optimizer(client):
    model = small()
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "mse")
    session = read(client, model, loss="mse", optimizer=optimizer)
    assert session.describe()["optimizer"]["no_decay"] == [
        "0.bias", "2.weight", "2.bias", "3.bias"]
    words = create(client, [{"type": "linear", "units": 8}, {"type": "relu"},
                            {"type": "batch_norm"}, {"type": "linear", "units": 2}],
                   input=[5], loss="mse", optimizer={
                       "type": "adamw", "weight_decay": 0.5, "no_decay": ["norm", "bias"]})
    for one in (session, words):
        copy = normd.keras.to_model(one)
        other = normd.keras.to_optimizer(one, copy)
        decays = [other._use_weight_decay(variable) for variable in copy.trainable_variables]
        assert decays == [True, False, False, False, True, False]
    losses = batches(session, model, (5,))
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=2e-4)


@pytest.mark.parametrize("options, message", [
    ({"groups": [{"match": 0, "learning_rate": 0.1}]}, "groups of the session's optimizer"),
    ({"weight_lr": 0.1}, "weight_lr of"),
    ({"bias_lr": 0.1}, "bias_lr of"),
    ({"averaging": {"type": "swa"}}, "averaging of"),
    ({"schedule": {"type": "step", "step_size": 2}}, "schedule step is none of Keras'"),
    ({"schedule": {"type": "cosine_decay", "decay_steps": 4, "every": 2}}, "every of"),
    ({"schedule": {"type": "cosine_decay", "decay_steps": 4, "unit": "step"},
      "gradient_accumulation_steps": 2}, "unit of"),
])
def test_options_that_keras_optimizers_lack_are_refused_by_name(client, options, message):
    layers = [{"type": "linear", "units": 3}, {"type": "batch_norm"}]
    session = create(client, layers, input=[2], loss="mse",
                     optimizer={"type": "adam", "learning_rate": 0.01, **options})
    with pytest.raises(ValueError, match=message):
        normd.keras.to_optimizer(session, normd.keras.to_model(session))
