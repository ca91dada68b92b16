# SPDX-License-Identifier: Apache-2.0
"""Modules and optimizers of the installed PyTorch: what moves, to the bit, and what is refused."""

import collections
import warnings

import normd
import normd.torch
import numpy as np
import pytest
import torch
from torch import nn

# Some dozens of roundings of numbers near 1, in one framework and in the other.
BOUND = 128 * 2.0**-24


def near(got, want):
    got, want = np.asarray(got, "f8"), np.asarray(want, "f8")
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= BOUND * max(1.0, np.abs(want).max())


def taken(client, module, **options):
    return normd.torch.from_module(client, "torch", module, if_exists="replace", **options)


def created(client, *layers, **options):
    return client.create("torch", list(layers), if_exists="replace", **options)


def stepped(module, optimizer, shape, steps=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        (module(torch.randn(16, *shape, generator=generator) + 0.3) ** 2).mean().backward()
        optimizer.step()


def same_bits(one, other):
    a, b = list(one.state_dict().items()), list(other.state_dict().items())
    assert len(a) == len(b)
    for (name, left), (_, right) in zip(a, b):
        assert left.dtype == right.dtype and torch.equal(left, right), name


# ---- Modules ----


def test_a_layer_without_parameters_may_come_twice(client):
    act = nn.LeakyReLU(0.3)
    module = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), nn.Sequential(act, act))
    session = taken(client, module, input=[4])
    kinds = [layer["type"] for layer in session.describe()["layers"]]
    assert kinds == ["linear", "leaky_relu", "linear", "leaky_relu", "leaky_relu"]
    x = torch.randn(8, 4)
    near(session.infer(x.numpy()).y, module(x).detach().numpy())


def test_a_classifier_of_sequences_moves(client):
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), nn.Softmax(-1))
    session = taken(client, module, input=[5, 4])
    x = torch.randn(8, 5, 4)
    near(session.infer(x.numpy()).y, module(x).detach().numpy())
    back = normd.torch.to_module(session)
    same_bits(module, back)
    assert back[3].dim == -1
    with pytest.raises(ValueError, match="Softmax: .* dim None"):
        taken(client, nn.Softmax())


def tied():
    one, other = nn.Linear(4, 4), nn.Linear(4, 4)
    other.weight = one.weight
    return nn.Sequential(one, other)


def twice(module):
    return nn.Sequential(module, nn.ReLU(), module)


@pytest.mark.parametrize("module, message", [
    (twice(nn.Linear(4, 4)), "Linear: .* one weight in two places, 0.weight and 2.weight"),
    (twice(nn.BatchNorm1d(4, affine=False)), "BatchNorm1d: .* 0.running_mean and 2.running_mean"),
    (tied(), "Linear: .* one weight in two places, 0.weight and 1.weight"),
])
def test_shared_parameters_and_buffers_are_refused(client, module, message):
    with pytest.raises(ValueError, match=message):
        taken(client, module, input=[4])


@pytest.mark.parametrize("module", [
    nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.BatchNorm3d(3),
    nn.InstanceNorm1d(3, affine=True), nn.InstanceNorm2d(3, track_running_stats=True),
    nn.InstanceNorm3d(3)], ids=lambda m: type(m).__name__)
def test_a_norm_comes_back_as_the_class_it_was(client, module):
    assert type(normd.torch.to_module(taken(client, module))[0]) is type(module)


@pytest.mark.parametrize("module", [
    nn.BatchNorm1d(4, bias=False), nn.GroupNorm(2, 4, bias=False),
    nn.InstanceNorm1d(4, affine=True, bias=False), nn.LayerNorm([4, 5], bias=False),
    nn.RMSNorm([4, 5]), nn.GroupNorm(2, 4, affine=False)], ids=lambda m: type(m).__name__)
def test_norms_with_and_without_a_bias_move_both_ways(client, module):
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    session = taken(client, module, input=[4, 5])
    back = normd.torch.to_module(session)
    same_bits(module, back)
    x = torch.randn(6, 4, 5)
    want = module.eval()(x).detach().numpy()
    near(session.infer(x.numpy()).y, want)
    np.testing.assert_array_equal(back.eval()(x).detach().numpy(), want)


NORM = {"features": 4}
LAST = {"data_format": "channels_last"}


@pytest.mark.parametrize("layer, input, message", [
    ({"type": "group_norm", "num_groups": 2, "axis": -1}, [6, 4], "group_norm with the features"),
    ({"type": "group_norm", "num_groups": 2, "axis": -1, "num_channels": 4}, None,
     "features on axis -1"),
    ({"type": "instance_norm", "axis": -1}, [6, 4], "instance_norm with the features"),
    ({"type": "batch_norm", "axis": -1}, [6, 4], "batch_norm with the features"),
    ({"type": "global_avg_pool2d", **LAST}, [6, 6, 2], "global_avg_pool2d with channels last"),
    ({"type": "max_pool2d", "kernel_size": 2, **LAST}, [6, 6, 2], "pool2d with channels last"),
    ({"type": "conv2d", "kernel_size": 2, "out": 3, **LAST}, [6, 6, 2], "conv2d with channels"),
    ({"type": "max_pool2d", "kernel_size": 2, "padding": "same"}, [2, 6, 6], 'padding "same"'),
    ({"type": "avg_pool2d", "kernel_size": 3, "stride": 2, "padding": "same"}, [2, 6, 6],
     'padding "same" and stride'),
    ({"type": "layer_norm", "scale": False}, [4], "layer_norm with center and without scale"),
    ({"type": "batch_norm", "scale": False}, [4], "batch_norm with center and without scale"),
    ({"type": "group_norm", "num_groups": 2, "scale": False}, [4], "center and without scale"),
    ({"type": "batch_norm", "virtual_batch_size": 4, **NORM}, [4], "no virtual_batch_size"),
    ({"type": "batch_norm", "renorm": True, **NORM}, [4], "no renorm"),
    ({"type": "linear", "out": 4, "weight_regularizer": 0.1, "bias_constraint": "non_neg"}, [4],
     "linear: .* no weight_regularizer, bias_constraint, which acts in training"),
    ({"type": "instance_norm", "track_running_stats": True, "momentum": None}, [4, 5],
     "no momentum None"),
])
def test_what_no_module_does_is_refused_by_name(client, layer, input, message):
    session = created(client, layer, input=input)
    with pytest.raises(ValueError, match=message):
        normd.torch.to_module(session)


@pytest.mark.parametrize("layer", [
    {"type": "batch_norm", "virtual_batch_size": 4},
    {"type": "batch_norm", "renorm": True},
    {"type": "linear", "out": 4, "weight_regularizer": 0.1},
])
def test_for_inference_what_acts_in_training_is_left_out(client, layer):
    session = created(client, layer, input=[4])
    x = torch.randn(12, 4) * 3 + 1
    session.forward(x.numpy())
    module = normd.torch.to_module(session, inference=True)
    assert not module.training
    near(module(x).detach().numpy(), session.infer(x.numpy()).y)


@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d"])
def test_same_padding_of_an_odd_window_is_a_padding(client, kind):
    layer = {"type": kind, "kernel_size": [3, 5], "stride": 1, "padding": "same"}
    if kind == "avg_pool2d":
        layer["count_include_pad"] = False
    session = created(client, layer, input=[2, 6, 7])
    x = torch.randn(3, 2, 6, 7)
    near(normd.torch.to_module(session)(x).numpy(), session.infer(x.numpy()).y)


def test_another_running_variance_is_warned_of(client):
    session = created(client, {"type": "batch_norm", "running_variance": "biased"}, input=[4])
    with pytest.warns(UserWarning, match="PyTorch stores the unbiased running variance"):
        normd.torch.to_module(session)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normd.torch.to_module(session, inference=True)
        normd.torch.to_module(created(client, {"type": "batch_norm"}, input=[4]))


# ---- Into the module that it came from ----


def nested():
    return nn.Sequential(collections.OrderedDict([
        ("identity", nn.Identity()),
        ("features", nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Dropout(0.1))),
        ("head", nn.Sequential(nn.Identity(), nn.Linear(4, 4), nn.LayerNorm(4))),
    ])), [2, 6, 6]


def test_a_trained_session_goes_back_into_its_own_module(client):
    module, shape = nested()
    session = taken(client, module, input=shape, loss="mse")
    x = torch.randn(16, *shape)
    for _ in range(3):
        session.train(x.numpy(), np.ones((16, 4), "f4"))
    normd.torch.load_into(session, module)
    same_bits(module, normd.torch.to_module(session))
    assert list(module.state_dict())[0] == "features.0.weight"
    near(session.infer(x.numpy()).y, module.eval()(x).detach().numpy())
    # Dropout's state is the session's own: what PyTorch loads does not have it.
    normd.torch.to_module(session).load_state_dict(normd.torch.state_dict(session))
    normd.torch.load_state_dict(session, nested()[0])
    normd.torch.load_state_dict(session, module.state_dict())
    same_bits(module, normd.torch.to_module(session))


@pytest.mark.parametrize("other, message", [
    (nn.Linear(4, 4), "expected a module of 4 layers with parameters or buffers, .* got 1"),
    (nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4), nn.LayerNorm(3)),
     "3: expected layer 7 of the session, layer_norm of .* got LayerNorm"),
    (nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(1, 4), nn.Linear(4, 4), nn.LayerNorm(4)),
     "1: expected layer 1 of the session, batch_norm2d .* got GroupNorm"),
])
def test_a_module_of_other_layers_is_refused_and_left_alone(client, other, message):
    module, shape = nested()
    session = taken(client, module, input=shape)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        normd.torch.load_into(session, other)
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


def test_a_state_dict_of_before_batches_were_counted_is_loaded(client):
    module, shape = nested()
    session = taken(client, module, input=shape)
    session.forward(torch.randn(4, *shape).numpy())
    other, _ = nested()
    state = {k: v for k, v in other.state_dict().items() if not k.endswith("batches_tracked")}
    normd.torch.load_state_dict(session, state)
    got = normd.torch.state_dict(session)
    assert got["1.num_batches_tracked"] == 1
    for (name, want), (_, ours) in zip(other.state_dict().items(), got.items()):
        assert name.endswith("batches_tracked") or torch.equal(want, ours), name


# ---- Optimizers ----


def dense():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def by_role(module, **options):
    """As everyone writes it: no decay for norms and biases, a slower last layer."""
    rest = [module[0].bias, module[1].weight, module[1].bias]
    return [
        {"params": [module[0].weight]},
        {"params": rest, "weight_decay": 0.0},
        {"params": module[3].parameters(), "lr": 0.003, **options},
    ]


CASES = {
    "nadam": lambda m: torch.optim.NAdam(m.parameters(), lr=0.01),
    "nadam-decoupled": lambda m: torch.optim.NAdam(
        m.parameters(), lr=0.01, weight_decay=0.02, decoupled_weight_decay=True),
    "nadam-groups": lambda m: torch.optim.NAdam(by_role(m, momentum_decay=0.1), lr=0.01),
    "adamw-groups": lambda m: torch.optim.AdamW(by_role(m, betas=(0.8, 0.99)), lr=0.01),
    "adam-decoupled": lambda m: torch.optim.Adam(
        m.parameters(), lr=0.01, weight_decay=0.02, decoupled_weight_decay=True),
    "amsgrad-of-one-group": lambda m: torch.optim.Adam(by_role(m, amsgrad=True), lr=0.01),
    "sgd-groups": lambda m: torch.optim.SGD(by_role(m, momentum=0.9), lr=0.05, weight_decay=0.1),
    "rmsprop-groups": lambda m: torch.optim.RMSprop(by_role(m, centered=True), lr=0.01),
    "adagrad-groups": lambda m: torch.optim.Adagrad(by_role(m, lr_decay=0.1), lr=0.05),
    "equal-groups": lambda m: torch.optim.Adam([{"params": layer.parameters()} for layer in m
                                                if list(layer.parameters())], lr=0.01),
}


def go_on(session, *pairs, steps=10):
    """Losses of the session and of modules with optimizers over the same batches."""
    for seed in range(steps):
        generator = torch.Generator().manual_seed(100 + seed)
        x, target = (torch.randn(16, n, generator=generator) for n in (6, 3))
        losses = [session.train(x.numpy(), target.numpy()).loss]
        for net, optimizer in pairs:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        # One float32 rounding a value and step; a wrong slot would be seen in the first digits.
        np.testing.assert_allclose(losses, losses[1], rtol=2e-4)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
@pytest.mark.parametrize("steps", [0, 4])
def test_training_goes_on_with_groups_and_state(client, make, steps):
    module = dense()
    optimizer = make(module)
    stepped(module, optimizer, [6], steps)
    session = taken(client, module, input=[6], loss="mse", optimizer=optimizer)
    copy = normd.torch.to_module(session)
    other = normd.torch.to_optimizer(session, copy)
    for left, right in zip(module.parameters(), copy.parameters()):
        one, two = optimizer.state.get(left, {}), other.state.get(right, {})
        for slot in set(one) if steps else ():
            assert torch.equal(one[slot], two[slot]), slot
    go_on(session, (module, optimizer), (copy, other))
    same_bits(module, copy)


def test_the_session_s_own_rates_become_parameter_groups(client):
    session = taken(client, dense(), input=[6], loss="mse", optimizer={
        "type": "adamw", "lr": 0.01, "weight_lr": 0.002, "bias_lr": 0.003, "weight_decay": 0.1,
        "no_decay": ["norm", "0.bias"], "groups": [{"match": [3], "lr": 0.004, "eps": 1e-4}]})
    module = normd.torch.to_module(session)
    optimizer = normd.torch.to_optimizer(session, module)
    got = {(g["lr"], g["weight_decay"], g["eps"]): len(g["params"])
           for g in optimizer.param_groups}
    assert got == {(0.01, 0.1, 1e-8): 1, (0.01, 0.0, 1e-8): 1, (0.002, 0.0, 1e-8): 1,
                   (0.003, 0.0, 1e-8): 1, (0.004, 0.1, 1e-4): 2}
    go_on(session, (module, optimizer))


@pytest.mark.parametrize("option, value", [
    ("schedule", {"type": "step", "step_size": 100}),
    ("averaging", {"type": "ema", "start": 1}),
    ("accumulate_steps", 3),
    ("clip_grad_value", 100.0), ("clip_grad_norm_each", 100.0), ("clip_grad_norm", 100.0),
])
def test_what_pytorch_does_beside_its_optimizers_is_left_out_when_told_to(client, option, value):
    given = {"type": "adam", "lr": 0.01, option: value}
    session = taken(client, dense(), input=[6], loss="mse", optimizer=given)
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("f4")
    for _ in range(4):
        session.train(x, np.zeros((8, 3), "f4"))
    module = normd.torch.to_module(session)
    with pytest.raises(ValueError, match=f"has no {option} itself"):
        normd.torch.to_optimizer(session, module)
    optimizer = normd.torch.to_optimizer(session, module, without=[option])
    for state in optimizer.state.values():
        assert set(state) == {"step", "exp_avg", "exp_avg_sq"}
    if option != "accumulate_steps":  # of the others, nothing acts in these steps
        go_on(session, (module, optimizer), steps=3)
    with pytest.raises(ValueError, match="without: expected some of schedule, .* got 'lr'"):
        normd.torch.to_optimizer(session, module, without=["lr"])


def test_an_optimizer_that_a_session_cannot_have_is_refused(client):
    module = dense()
    kept = [module[0].weight, module[0].bias]
    with pytest.raises(ValueError, match="does not have the parameter 1.weight, which would learn"):
        taken(client, module, input=[6], optimizer=torch.optim.Adam(kept))
    with pytest.raises(ValueError, match="parameters that are not the module's"):
        stranger = nn.Parameter(torch.ones(1))
        taken(client, module, input=[6],
              optimizer=torch.optim.Adam([*module.parameters(), stranger]))
    optimizer = torch.optim.Adam(module.parameters())
    stepped(module, optimizer, [6])
    optimizer.state[module[0].bias]["step"] += 1
    with pytest.raises(ValueError, match="different numbers of steps \\(4, 5\\)"):
        taken(client, module, input=[6], optimizer=optimizer)
    with pytest.raises(ValueError, match="Adamax is not carried over; known are SGD, Adam, AdamW"):
        taken(client, module, optimizer=torch.optim.Adamax(module.parameters()))
    # Frozen, what the optimizer does not have stays in a session as well.
    module[1].requires_grad_(False).eval()
    module[3].requires_grad_(False)
    before = module[3].weight.detach().clone()
    session = taken(client, module, input=[6], loss="mse", optimizer=torch.optim.Adam(kept))
    session.train(np.ones((8, 6), "f4"), np.zeros((8, 3), "f4"))
    normd.torch.load_into(session, module)
    assert torch.equal(before, module[3].weight)
