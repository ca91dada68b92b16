# SPDX-License-Identifier: Apache-2.0
"""optimizer.set: rates, schedule, averaging and metrics of a living session."""

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError
from models import batch, classifier


def exported(rpc, session):
    answer = rpc.call("session.export", session=session, format="safetensors")
    return safetensors.load(answer["data"])


def train(rpc, session, first, count):
    rates = []
    for seed in range(first, first + count):
        x, target = batch(seed)
        rates.append(rpc.call("train", session=session, x=x, target=target)["lr"])
    return rates


def test_a_rate_is_changed_as_in_a_param_group(rpc, name):
    model = classifier(optimizer={"type": "adam", "lr": 0.01, "bias_lr": 0.5})
    rpc.call("session.create", session=name, **model)
    rpc.call("session.create", session=f"{name}-whole", **model)
    train(rpc, name, 0, 3)
    train(rpc, f"{name}-whole", 0, 3)
    before = exported(rpc, name)
    assert rpc.call("optimizer.set", session=name, lr=0.25) == {"version": 4}
    np.testing.assert_equal(exported(rpc, name), before)
    described = rpc.call("session.describe", session=name)
    assert described["steps"] == 3
    # weight_lr was equal to lr and follows; bias_lr was not.
    expected = {"lr": 0.25, "weight_lr": 0.25, "bias_lr": 0.5}
    assert described["rates"] == expected
    assert {key: described["optimizer"][key] for key in expected} == expected
    assert train(rpc, name, 3, 2) == [0.25, 0.25]
    rpc.call("optimizer.set", session=name, lr=0.01, weight_lr=0.01)
    rpc.call("optimizer.set", session=f"{name}-whole", lr=0.25)
    train(rpc, f"{name}-whole", 3, 2)
    rpc.call("optimizer.set", session=f"{name}-whole", lr=0.01)
    assert train(rpc, name, 5, 3) == train(rpc, f"{name}-whole", 5, 3)
    np.testing.assert_equal(exported(rpc, name), exported(rpc, f"{name}-whole"))


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_a_schedule_begins_where_it_is_set(rpc, name, convention):
    rpc.call("session.create", session=name, **classifier(convention=convention))
    train(rpc, name, 0, 3)
    schedule = {"type": "exponential", "gamma": 0.5, "every": 2}
    rpc.call("optimizer.set", session=name, schedule=schedule)
    assert train(rpc, name, 3, 5) == [0.01, 0.01, 0.005, 0.005, 0.0025]
    described = rpc.call("session.describe", session=name)
    assert described["optimizer"]["schedule"]["start"] == 3
    assert described["rates"]["lr"] == 0.0025
    # The base of the schedule changes, not its place.
    rpc.call("optimizer.set", session=name, lr=0.08)
    assert train(rpc, name, 8, 2) == [0.02, 0.01]
    rpc.call("optimizer.set", session=name, schedule="none")
    assert train(rpc, name, 10, 1) == [0.08]
    assert rpc.call("session.describe", session=name)["optimizer"]["schedule"] is None


def test_keras_learning_rate_may_be_a_schedule(rpc, name):
    decay = {
        "type": "ExponentialDecay", "initial_learning_rate": 0.5, "decay_steps": 1,
        "decay_rate": 0.5,
    }
    model = classifier(convention="keras", optimizer={"type": "sgd", "learning_rate": decay})
    described = rpc.call("session.create", session=name, **model)
    assert described["optimizer"]["learning_rate"] == 0.5
    assert described["optimizer"]["schedule"]["type"] == "exponential_decay"
    assert train(rpc, name, 0, 3) == [0.5, 0.25, 0.125]


def test_averaging_begins_on_a_living_session(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    train(rpc, name, 0, 3)
    rpc.call("optimizer.set", session=name, averaging={"type": "swa"})
    train(rpc, name, 3, 1)
    first = exported(rpc, name)
    np.testing.assert_array_equal(first["optimizer.0.weight.average"], first["0.weight"])
    train(rpc, name, 4, 1)
    second = exported(rpc, name)
    assert second["optimizer.n_averaged"] == 2
    mean = (first["0.weight"].astype("f8") + second["0.weight"]) / 2
    # The difference, its half and the sum are rounded, each to half a unit of 2^-24 relative.
    np.testing.assert_allclose(second["optimizer.0.weight.average"], mean, rtol=0, atol=2e-7)
    rpc.call("optimizer.set", session=name, averaging="none")
    assert "optimizer.n_averaged" not in exported(rpc, name)


def test_a_thawed_layer_begins_its_average_with_its_weights(rpc, name):
    model = classifier(optimizer={"type": "sgd", "lr": 0.1, "averaging": {"type": "swa"}})
    rpc.call("session.create", session=name, **model)
    rpc.call("stats.freeze", session=name)
    train(rpc, name, 0, 9)
    frozen = exported(rpc, name)["1.weight"]
    rpc.call("stats.thaw", session=name)
    state = exported(rpc, name)
    np.testing.assert_array_equal(state["optimizer.1.weight.average"], frozen)
    train(rpc, name, 9, 1)
    after = exported(rpc, name)
    expected = frozen + (after["1.weight"] - frozen) / np.float32(10)
    np.testing.assert_array_equal(after["optimizer.1.weight.average"], expected)


def test_a_plateau_of_the_loss_lowers_the_rate_the_same_after_an_import(rpc, name):
    schedule = {"type": "reduce_on_plateau", "patience": 1, "every": 2, "factor": 0.5}
    model = classifier(optimizer={"type": "sgd", "lr": 0.25, "schedule": schedule})
    rpc.call("session.create", session=name, **model)
    rates = train(rpc, name, 0, 9)
    data = rpc.call("session.export", session=name, format="safetensors")["data"]
    rpc.call("session.import", session=f"{name}-copy", format="safetensors", data=data)
    assert train(rpc, f"{name}-copy", 9, 30) == train(rpc, name, 9, 30)
    np.testing.assert_equal(exported(rpc, f"{name}-copy"), exported(rpc, name))
    last = rpc.call("session.describe", session=name)["rates"]["lr"]
    assert rates[0] == 0.25 and last < 0.25


def test_a_reported_metric_lowers_the_rate(rpc, name):
    schedule = {
        "type": "reduce_on_plateau", "monitor": "metric", "mode": "max", "patience": 1,
        "factor": 0.5,
    }
    model = classifier(optimizer={"type": "sgd", "lr": 0.25, "schedule": schedule})
    rpc.call("session.create", session=name, **model)
    train(rpc, name, 0, 1)
    rates = []
    for metric in (0.5, 0.75, 0.75, 0.7, 0.8):
        rpc.call("optimizer.set", session=name, metric=metric)
        rates.append(rpc.call("session.describe", session=name)["rates"]["lr"])
    assert rates == [0.25, 0.25, 0.25, 0.125, 0.125]
    assert train(rpc, name, 1, 1) == [0.125]
    # A new base forgets the reductions.
    rpc.call("optimizer.set", session=name, lr=1)
    assert train(rpc, name, 2, 1) == [1.0]


def test_one_cycle_gives_the_optimizer_its_momentum(rpc, name):
    schedule = {"type": "one_cycle", "max_lr": 0.5, "total_steps": 4}
    model = classifier(optimizer={"type": "sgd", "lr": 0.5, "schedule": schedule})
    described = rpc.call("session.create", session=name, **model)
    assert described["optimizer"]["momentum"] == 0.95
    assert described["rates"]["momentum"] == pytest.approx(0.95)
    assert "optimizer.0.weight.momentum_buffer" in exported(rpc, name)
    model = classifier(optimizer={"type": "adagrad", "lr": 0.5, "schedule": schedule})
    with pytest.raises(RpcError, match="cycle_momentum: expected false beside type \"adagrad\""):
        rpc.call("session.create", session=f"{name}-adagrad", **model)


def test_wrong_changes_are_refused_and_change_nothing(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    before = rpc.call("session.describe", session=name)
    refused = [
        ({}, "expected one or more of lr, weight_lr, bias_lr, schedule and averaging"),
        ({"lr": -1}, "optimizer.lr: expected a number"),
        ({"lr": "fast"}, "optimizer.lr: expected a number"),
        ({"schedule": {"type": "lambda"}}, 'optimizer.schedule.type: expected "step", .*"lambda"'),
        ({"schedule": "step"}, "optimizer.schedule.step_size: expected a number of ticks"),
        ({"averaging": {"type": "ema", "decay": 2}}, r"optimizer.averaging.decay: .* \[0, 1\]"),
        ({"averaging": {"type": "swa", "decay": 0.5}}, "optimizer.averaging: expected the keys"),
        ({"averaging": {"decay": 0.5}}, 'optimizer.averaging.type: expected "ema" or "swa"'),
        ({"metric": 1.0}, "metric: expected none"),
        ({"metric": 1.0, "lr": 1.0}, "metric alone; got metric beside another"),
        ({"lr": np.ones(3, "f4")}, "lr: expected .* got an array"),
    ]
    for changes, message in refused:
        with pytest.raises(RpcError, match=f"BAD_ARGUMENT .*{message}"):
            rpc.call("optimizer.set", session=name, **changes)
    assert rpc.call("session.describe", session=name) == before
    with pytest.raises(RpcError, match="NO_SUCH_SESSION"):
        rpc.call("optimizer.set", session="nobody", lr=1)
    schedule = {"type": "reduce_on_plateau", "monitor": "metric"}
    rpc.call("optimizer.set", session=name, schedule=schedule)
    with pytest.raises(RpcError, match="metric: expected a finite number, got \"x\""):
        rpc.call("optimizer.set", session=name, metric="x")


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_metric_counts_before_the_first_step(rpc, name, convention, begun):
    plateau = {"type": "reduce_on_plateau", "monitor": "metric", "mode": "min", "patience": 0}
    optimizer = {"type": "sgd", "lr": 1.0, **({} if begun else {"schedule": plateau})}
    rpc.call("session.create", session=name, **classifier(
        convention=convention, optimizer=optimizer))
    if begun:
        rpc.call("optimizer.set", session=name, schedule=plateau)
    rates = []
    for metric in (1.0, 2.0, 3.0):
        rpc.call("optimizer.set", session=name, metric=metric)
        rates.append(rpc.call("session.describe", session=name)["rates"]["lr"])
    np.testing.assert_allclose(rates, [1, 0.1, 0.01], rtol=1e-15)


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_a_schedule_set_under_accumulation_begins_at_its_own_unit(rpc, name, convention):
    """Two batches a step; three were there, so one waits."""
    optimizer = {"type": "sgd", "lr": 1.0, "accumulate_steps": 2}
    rpc.call("session.create", session=name, **classifier(
        convention=convention, optimizer=optimizer))
    train(rpc, name, 0, 3)
    rpc.call("optimizer.set", session=name, schedule={"type": "exponential", "gamma": 0.5})
    schedule = rpc.call("session.describe", session=name)["optimizer"]["schedule"]
    batches = convention == "keras"
    assert (schedule["unit"], schedule["start"]) == (("batch", 3) if batches else ("step", 1))
    # Of the steps that the batches 4, 6 and 8 make.
    rates = [1, 0.25, 0.25, 0.0625, 0.0625] if batches else [1, 0.5, 0.5, 0.25, 0.25]
    assert train(rpc, name, 3, 5) == rates


def test_constraints_hold_while_batches_wait(rpc, name):
    """As in Keras: the weights are brought back after every batch, for a copy and a file as well."""
    model = classifier(optimizer={"type": "sgd", "lr": 1.0, "accumulate_steps": 4})
    model["layers"][0] = {"type": "linear", "out": 8, "weight_constraint": "non_neg"}
    rpc.call("session.create", session=name, **model)
    before = exported(rpc, name)
    assert before["0.weight"].min() < 0
    train(rpc, name, 0, 1)
    after = exported(rpc, name)
    np.testing.assert_array_equal(after["0.weight"], np.maximum(before["0.weight"], 0))
    np.testing.assert_array_equal(after["3.weight"], before["3.weight"])
    rpc.call("session.copy", session=name, to=f"{name}-2")
    assert rpc.call("session.describe", session=name)["steps"] == 0
    for session in (name, f"{name}-2"):
        train(rpc, session, 1, 5)
    np.testing.assert_equal(exported(rpc, name), exported(rpc, f"{name}-2"))
