# SPDX-License-Identifier: Apache-2.0
"""Models of the installed frameworks through the daemon and back, to the bit.

Needs torch, keras and onnx beside what the other tests need; the frameworks run here, the daemon
is the one that was built.
"""

import keras
import make_onnx
import normd
import normd.keras
import normd.onnx
import normd.torch
import numpy as np
import onnx
import onnx.reference
import onnx_node
import page
import pytest
import torch
from torch import nn

kl = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore:Keras stores the biased running variance"),
    pytest.mark.filterwarnings("ignore:PyTorch stores the unbiased running variance"),
]
# Some dozens of roundings of numbers near 1, in one framework and in the other.
BOUND = 128 * 2.0**-24


def dense():
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(),
        nn.Sequential(nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8, momentum=0.25), nn.SiLU()),
        nn.LayerNorm(8), nn.Identity(), nn.Tanh(), nn.Linear(8, 3)), (6,)


def conv():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, (2, 3)), nn.BatchNorm2d(8, eps=1e-3), nn.GELU(), nn.GroupNorm(2, 8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 4)), (3, 14, 14)


def trained(make, optimizer=torch.optim.Adam, **options):
    """A model and its optimizer behind a few steps, and some input."""
    torch.manual_seed(5)
    module, shape = make()
    made = optimizer(module.parameters(), **options)
    for _ in range(5):
        made.zero_grad()
        (module(torch.randn(16, *shape) + 0.3) ** 2).mean().backward()
        made.step()
    return module, made, shape


def near(got, want):
    got, want = np.asarray(got, "f8"), np.asarray(want, "f8")
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= BOUND * max(1.0, np.abs(want).max())


def same_state(one, other):
    """The same bits under the same places, whatever Sequentials are named."""
    a, b = list(one.state_dict().items()), list(other.state_dict().items())
    assert len(a) == len(b)
    for (name, left), (_, right) in zip(a, b):
        assert left.dtype == right.dtype and torch.equal(left, right), name


@pytest.mark.parametrize("make", [dense, conv])
def test_a_round_trip_through_both_frameworks_keeps_every_bit(client, make):
    module, _, shape = trained(make)
    session = normd.torch.from_module(client, "there", module, input=shape, if_exists="replace")
    model = normd.keras.to_model(session)
    for ours, theirs in zip(normd.keras.get_weights(session), model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    again = normd.keras.from_layer(client, "back", model, if_exists="replace")
    back = normd.torch.to_module(again)
    same_state(module, back)
    module.eval()
    back.eval()
    x = torch.randn(64, *shape)
    want = module(x).detach().numpy()
    got = back(x).detach().numpy()
    assert (np.abs(got - want) <= np.spacing(np.abs(want))).all()
    # Through normd itself: its sums are not PyTorch's, but the two sessions have one set of bits.
    one, other = session.infer(x.numpy()).y, again.infer(x.numpy()).y
    np.testing.assert_array_equal(one, other)
    near(one, want)
    near(keras.ops.convert_to_numpy(model(x.numpy())), want)


@pytest.mark.parametrize("optimizer, options", [
    (torch.optim.Adam, {"lr": 0.01}),
    (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.01}),
    (torch.optim.AdamW, {}),
    (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    (torch.optim.SGD, {"lr": 0.05}),
    (torch.optim.RMSprop, {"momentum": 0.5, "centered": True}),
    (torch.optim.Adagrad, {"lr_decay": 0.1}),
])
def test_training_goes_on_with_the_state_of_an_optimizer(client, optimizer, options):
    module, made, shape = trained(dense, optimizer, **options)
    session = normd.torch.from_module(
        client, "goes-on", module, input=shape, loss="mse", optimizer=made, if_exists="replace")
    copy = normd.torch.to_module(session)
    other = normd.torch.to_optimizer(session, copy)
    for _ in range(10):
        x = torch.randn(16, *shape)
        target = torch.randn(16, 3)
        losses = [session.train(x.numpy(), target.numpy()).loss]
        for net, steps in ((module, made), (copy, other)):
            steps.zero_grad()
            loss = nn.functional.mse_loss(net(x), target)
            loss.backward()
            steps.step()
            losses.append(loss.item())
        # One float32 rounding a value and step; a wrong slot would be seen in the first digits.
        np.testing.assert_allclose(losses, losses[1], rtol=2e-4)
    same_state(module, copy)


def test_frozen_layers_keep_their_meaning(client):
    module, _, shape = trained(dense)
    module[1].eval()
    module[0].requires_grad_(False)
    session = normd.torch.from_module(client, "frozen", module, input=shape, if_exists="replace")
    layers = session.describe()["layers"]
    assert layers[1]["frozen_stats"] is True and layers[0]["trainable"] is False
    back = normd.torch.to_module(session)
    assert not back[1].training and not back[0].weight.requires_grad
    counted = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert session.describe()["parameters"]["pytorch"]["trainable"] == counted


def test_a_state_dict_is_loaded_whatever_its_prefixes(client):
    module, _, shape = trained(dense)
    session = normd.torch.from_module(client, "state", module, input=shape, if_exists="replace")
    other, _ = dense()
    normd.torch.load_state_dict(session, other.state_dict())
    same_state(other, normd.torch.to_module(session))
    for (_, left), (_, right) in zip(
        normd.torch.state_dict(session).items(), other.state_dict().items()
    ):
        assert torch.equal(left, right)
    with pytest.raises(ValueError, match="expected tensors of 6 layers, got 1"):
        normd.torch.load_state_dict(session, nn.Linear(2, 2).state_dict())


@pytest.mark.parametrize("module, message", [
    (nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), "LSTM has no counterpart in a session"),
    (nn.Conv2d(2, 2, 3, padding_mode="reflect"), "Conv2d: .* padding_mode 'reflect'"),
    (nn.AdaptiveAvgPool2d(2), "AdaptiveAvgPool2d: .* output_size 2"),
])
def test_modules_without_a_counterpart_are_refused_by_name(client, module, message):
    with pytest.raises(ValueError, match=message):
        normd.torch.from_module(client, "refused", module)
    assert "refused" not in client.list()


def keras_model():
    return keras.Sequential([
        keras.Input((8, 8, 3)), kl.Conv2D(4, 3, activation="relu", padding="same"),
        kl.BatchNormalization(), kl.MaxPooling2D(), kl.Flatten(), kl.Dropout(0.3),
        kl.Dense(5, activation="gelu"), kl.LayerNormalization(), kl.Dense(2)])


@pytest.mark.parametrize("make", [
    lambda: keras.optimizers.Adam(0.01),
    lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    lambda: keras.optimizers.RMSprop(momentum=0.5, centered=True),
    lambda: keras.optimizers.Nadam(),
    lambda: keras.optimizers.Lion(),
])
def test_a_keras_model_moves_with_its_optimizer(client, make):
    keras.utils.set_random_seed(3)
    model = keras_model()
    model.compile(optimizer=make(), loss="mse")
    x = np.random.default_rng(1).normal(size=(64, 8, 8, 3)).astype("f4")
    model.fit(x, np.zeros((64, 2), "f4"), verbose=0)
    session = normd.keras.from_layer(
        client, "keras", model, optimizer=model.optimizer, loss="mse", if_exists="replace")
    near(session.infer(x).y, model.predict(x, verbose=0))
    variables = normd.keras.optimizer_variables(session)
    assert len(variables) == len(model.optimizer.variables)
    for ours, theirs in zip(variables, model.optimizer.variables):
        np.testing.assert_array_equal(ours, keras.ops.convert_to_numpy(theirs))
    copy = normd.keras.to_model(session)
    for ours, theirs in zip(copy.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    other = normd.keras.to_optimizer(session, copy)
    for ours, theirs in zip(other.variables, model.optimizer.variables):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))
    counts = session.describe()["parameters"]["keras"]
    assert sum(counts.values()) == model.count_params()
    normd.keras.set_weights(session, [w * 0 for w in model.get_weights()])
    assert not np.any(session.infer(x[:1]).y)


def test_a_functional_chain_is_a_model_and_a_branch_is_refused(client):
    inputs = keras.Input((4,))
    hidden = kl.Dense(3, activation="relu")(inputs)
    outputs = kl.Dense(2)(kl.BatchNormalization()(hidden))
    model = keras.Model(inputs, outputs)
    session = normd.keras.from_layer(client, "chain", model, if_exists="replace")
    x = np.random.default_rng(2).normal(size=(5, 4)).astype("f4")
    near(session.infer(x).y, model.predict(x, verbose=0))
    branch = keras.Model(inputs, kl.Add()([outputs, kl.Dense(2)(hidden)]))
    with pytest.raises(ValueError, match="no link of a chain"):
        normd.keras.from_layer(client, "branch", branch)
    with pytest.raises(ValueError, match="LSTM has no counterpart"):
        normd.keras.from_layer(
            client, "lstm", keras.Sequential([keras.Input((3, 2)), kl.LSTM(2)]))


@pytest.mark.parametrize("make", [dense, conv, keras_model])
def test_an_exported_onnx_model_infers_the_same(client, make, tmp_path):
    if make is keras_model:
        session = normd.keras.from_layer(client, "onnx", make(), if_exists="replace")
        x = np.random.default_rng(3).normal(size=(6, 8, 8, 3)).astype("f4")
    else:
        module, _, shape = trained(make)
        session = normd.torch.from_module(client, "onnx", module, input=shape, if_exists="replace")
        x = torch.randn(6, *shape).numpy()
    path = tmp_path / "model.onnx"
    normd.onnx.export(session, str(path))
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    near(y, session.infer(x).y)


@pytest.mark.parametrize("case", list(make_onnx.cases()), ids=lambda c: c.name)
def test_the_official_node_tests_of_the_installed_onnx_pass(daemon, case):
    with daemon.connect() as rpc:
        for inputs, outputs in case.data_sets:
            got = onnx_node.run(rpc, case.name, make_onnx.attributes_of(case), inputs)
            assert len(got) == len(outputs)
            for ours, want in zip(got, outputs):
                np.testing.assert_allclose(ours, want, rtol=case.rtol, atol=case.atol)


def test_the_worked_example_runs_as_it_stands(daemon):
    exec(page.code("python"), {"PORT": daemon.port})
