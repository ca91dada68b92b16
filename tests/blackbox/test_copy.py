# SPDX-License-Identifier: Apache-2.0
"""session.copy: a new session with all of another one's state."""

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError
from models import batch, classifier


def exported(rpc, session):
    return rpc.call("session.export", session=session, format="safetensors")["data"]


def train(rpc, session, first, count):
    for seed in range(first, first + count):
        x, target = batch(seed)
        answer = rpc.call("train", session=session, x=x, target=target)
    return answer


AVERAGING = {"type": "adam", "lr": 0.01, "averaging": {"type": "ema", "decay": 0.5}}


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_copy_goes_on_to_the_same_bits(rpc, name, convention, dtype):
    model = classifier(convention=convention, dtype=dtype, optimizer=AVERAGING)
    model["layers"][0]["weight_init"] = np.full((8, 6), 0.125)
    model["layers"][0]["weight_init"][::2, ::2] = -0.25
    rpc.call("session.create", session=name, **model)
    train(rpc, name, 0, 5)
    answer = rpc.call("session.copy", session=name, to=f"{name}-copy")
    assert answer == {"created": True, "version": 5}
    assert exported(rpc, f"{name}-copy") == exported(rpc, name)
    described = rpc.call("session.describe", session=name)
    of_copy = rpc.call("session.describe", session=f"{name}-copy")
    assert {**of_copy, "session": name} == described
    assert train(rpc, name, 5, 5) == train(rpc, f"{name}-copy", 5, 5)
    assert exported(rpc, f"{name}-copy") == exported(rpc, name)
    again = rpc.call("session.create", session=f"{name}-copy", if_exists="ok", **model)
    assert again["created"] is False


def test_the_two_are_independent(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    train(rpc, name, 0, 2)
    rpc.call("session.copy", session=name, to=f"{name}-copy")
    before = exported(rpc, f"{name}-copy")
    train(rpc, name, 2, 2)
    assert exported(rpc, f"{name}-copy") == before
    rpc.call("session.delete", session=name)
    assert exported(rpc, f"{name}-copy") == before


def test_a_copy_with_the_average_has_it_for_weights(rpc, name):
    model = classifier(optimizer=AVERAGING)
    model["layers"][3]["trainable"] = False
    rpc.call("session.create", session=name, **model)
    train(rpc, name, 0, 6)
    state = safetensors.load(exported(rpc, name))
    rpc.call("session.copy", session=name, to=f"{name}-copy", weights="average")
    copied = safetensors.load(exported(rpc, f"{name}-copy"))
    assert copied.keys() == state.keys() and "optimizer.3.weight.average" not in state
    assert not np.array_equal(state["0.weight"], state["optimizer.0.weight.average"])
    for key, value in copied.items():
        average = f"optimizer.{key}.average"
        np.testing.assert_array_equal(value, state[average if average in state else key])


def test_copying_while_others_train_gives_a_whole_step(daemon, rpc, name):
    model = classifier(optimizer={"type": "sgd", "lr": 0.0, "averaging": {"type": "swa"}})
    rpc.call("session.create", session=name, **model)
    x, target = batch(0)
    with daemon.connect() as other:
        for _ in range(20):
            for _ in range(10):
                other.send("train", session=name, x=x, target=target)
            rpc.call("session.copy", session=name, to=f"{name}-copy", if_exists="replace")
            described = rpc.call("session.describe", session=f"{name}-copy")
            state = safetensors.load(exported(rpc, f"{name}-copy"))
            assert described["steps"] == described["version"]
            assert state["optimizer.n_averaged"] == described["steps"]
            assert state["1.num_batches_tracked"] == described["steps"]


def test_what_cannot_be_copied_is_refused(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    refused = [
        ({"to": name}, "BAD_ARGUMENT to: expected another name"),
        ({"to": "x", "weights": "best"}, 'weights: expected "current" or "average", got "best"'),
        ({"to": "x", "weights": "average"}, "no average of its weights"),
        ({"to": "x", "if_exists": "ok"}, 'if_exists: expected "error" or "replace", got "ok"'),
        ({"to": ""}, "expected a name of 1 to 256 bytes"),
        ({"to": "x", "session": "nobody"}, "NO_SUCH_SESSION"),
    ]
    for fields, message in refused:
        with pytest.raises(RpcError, match=message):
            rpc.call("session.copy", **{"session": name, **fields})
    assert "x" not in rpc.call("session.list")["sessions"]
    rpc.call("session.create", session="taken", if_exists="replace", **classifier(seed=2))
    before = exported(rpc, "taken")
    with pytest.raises(RpcError, match='SESSION_EXISTS to: expected a new name, got "taken"'):
        rpc.call("session.copy", session=name, to="taken")
    assert exported(rpc, "taken") == before
    answer = rpc.call("session.copy", session=name, to="taken", if_exists="replace")
    assert answer["created"] is False and exported(rpc, "taken") == exported(rpc, name)


def test_an_average_needs_a_step_first(rpc, name):
    rpc.call("session.create", session=name, **classifier(optimizer=AVERAGING))
    with pytest.raises(RpcError, match="BAD_ARGUMENT weights: .* no average"):
        rpc.call("session.copy", session=name, to="x", weights="average")
    train(rpc, name, 0, 1)
    rpc.call("session.copy", session=name, to=f"{name}-copy", weights="average")


def test_an_npz_of_keras_goes_on_with_the_average(rpc, name):
    optimizer = {"type": "adam", "learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.5}
    model = classifier(convention="keras", optimizer=optimizer)
    rpc.call("session.create", session=name, **model)
    train(rpc, name, 0, 5)
    file = rpc.call("session.export", session=name, format="npz", optimizer=True)["data"]
    rpc.call("session.create", session=f"{name}-copy", **model)
    rpc.call("session.import", session=f"{name}-copy", data=file)
    train(rpc, name, 5, 2)
    train(rpc, f"{name}-copy", 5, 2)
    one = safetensors.load(exported(rpc, name))
    other = safetensors.load(exported(rpc, f"{name}-copy"))
    del one["1.num_batches_tracked"], other["1.num_batches_tracked"]
    np.testing.assert_equal(other, one)
