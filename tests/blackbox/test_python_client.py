# SPDX-License-Identifier: Apache-2.0
"""The Python package of clients/python against the real daemon."""

import sys
from pathlib import Path

import numpy as np
import pytest
from models import CLASSES, FEATURES, batch, classifier

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

import normd  # noqa: E402
from normd import model_file  # noqa: E402


@pytest.fixture
def client(daemon):
    with normd.connect(port=daemon.port) as connected:
        yield connected


def test_the_daemon_answers_every_general_call(client):
    assert client.ping() == "pong"
    hello, info = client.hello(), client.info()
    assert hello.server == "normd" and hello.version == info.version
    assert None not in hello[:4] and None not in info[:-1]
    assert info.clients == 0 and info.store is None


def test_a_session_goes_through_its_whole_life(client, name):
    session = client.create(name, **classifier())
    assert session.description["created"] is True and name in client.list()
    x, target = batch(0)
    first = session.train(x, target)
    assert first.steps == first.version == 1 and 0 <= first.accuracy <= 1
    assert session.evaluate(x, target).version == 1
    masked = session.evaluate(x, target, mask=np.ones(len(x), bool))
    assert masked == session.evaluate(x, target)
    assert session.infer(x).y.shape == (16, CLASSES)
    for convention in ("pytorch", "keras"):
        (layer,) = session.stats(convention=convention).layers
        assert layer.num_batches_tracked == 1 and layer.running_mean.shape == (8,)
        assert layer.weight is not None and layer.bias is not None
    exported = session.export()
    copy = client.import_(f"{name}-copy", exported.data)
    assert copy.created
    np.testing.assert_array_equal(
        client.infer(f"{name}-copy", x).y, session.infer(x).y
    )
    assert session.delete() is True
    with pytest.raises(normd.NoSuchSession, match=name):
        session.describe()


def test_a_session_is_copied_and_its_optimizer_set(client, name):
    session = client.create(name, **classifier())
    assert session.optimizer_set(lr=0.5, averaging={"type": "ema", "decay": 0.5}).version == 1
    x, target = batch(0)
    assert session.train(x, target).lr == 0.5
    copy = session.copy(f"{name}-copy", weights="average")
    np.testing.assert_array_equal(copy.infer(x).y, session.infer(x).y)
    session.optimizer_set(schedule={"type": "exponential", "gamma": 0.5})
    assert [session.train(x, target).lr for _ in range(3)] == [0.5, 0.25, 0.125]
    session.optimizer_set(schedule="none")
    assert session.train(x, target).lr == 0.5
    with pytest.raises(normd.SessionExists):
        session.copy(f"{name}-copy")
    assert session.copy(f"{name}-copy", if_exists="replace").describe()["steps"] == 5
    with pytest.raises(normd.BadArgument, match="metric"):
        session.optimizer_set(metric=1.0)


def test_forward_backward_and_step(client, name):
    session = client.create(name, [{"type": "batch_norm", "features": FEATURES}])
    x, _ = batch(1)
    step, version, y = session.forward(x)
    assert version == 1 and y.flags.writeable
    dx = session.backward(step, np.ones_like(y), apply=False).dx
    assert dx.shape == x.shape
    assert session.step().version == session.stats().version
    with pytest.raises(normd.ContextLost):
        session.backward(step, y)


def test_pipelined_and_large(client, name):
    session = client.create(name, [{"type": "batch_norm", "features": 512}])
    x = np.random.default_rng(0).normal(size=(4096, 512)).astype("f4")
    with client.pipeline() as pipeline:
        futures = [pipeline.infer(name, x[:: n + 1]) for n in range(8)]
    for n, future in enumerate(futures):
        np.testing.assert_array_equal(future.result().y, session.infer(x[:: n + 1]).y)


def test_lists_and_odd_layouts_are_sent_as_what_they_say(client, name):
    session = client.create(name, [{"type": "batch_norm", "features": 2}])
    expected = session.infer(np.array([[1, 2], [3, 4]], "f8")).y
    for x in ([[1.0, 2.0], [3.0, 4.0]], np.array([[1, 3], [2, 4]], ">f4").T):
        np.testing.assert_array_equal(session.infer(x).y, expected)


def test_initial_values_and_errors(client, name):
    layer = {"type": "batch_norm", "features": 3, "weight_init": np.array([1, 2, 3], ">f8")}
    session = client.create(name, [layer])
    np.testing.assert_array_equal(session.stats().layers[0].weight, [1, 2, 3])
    with pytest.raises(normd.SessionExists):
        client.create(name, [layer])
    with pytest.raises(normd.BadShape, match="x: expected"):
        session.infer(np.ones((2, 4)))
    with pytest.raises(normd.NotFinite):
        session.forward(np.full((4, 3), np.nan))


def test_the_unix_socket(daemon, name):
    with normd.connect(unix=daemon.unix) as client:
        assert client.ping() == "pong"


def test_an_optimizer_s_state_is_read_and_set_by_its_names(client, name):
    optimizer = {"type": "nadam", "groups": [{"match": 0, "momentum_decay": 0.1}]}
    session = client.create(name, **{**classifier(), "optimizer": optimizer})
    for seed in range(3):
        session.train(*batch(seed))
    state = model_file.state_of(session)
    assert state.steps == 3
    assert set(state.scalars) == {"mu_product", "mu_product.1"}
    assert set(state.slots["0.weight"]) == {"exp_avg", "exp_avg_sq"}
    other = client.create(f"{name}-other", **{**classifier(), "optimizer": optimizer})
    other.import_(session.export(optimizer=False).data)
    model_file.set_state(other, state)
    assert session.train(*batch(4)).loss == other.train(*batch(4)).loss
    ours, theirs = (model_file.read(one.export().data)[0] for one in (session, other))
    for tensor, values in ours.items():
        np.testing.assert_array_equal(values, theirs[tensor], err_msg=tensor)
    with pytest.raises(ValueError, match="the session's optimizer has no 0.weight.sum"):
        model_file.set_state(other, model_file.State({"0.weight": {"sum": np.zeros(1)}}, {}, 0))


def test_layers_are_told_apart_by_their_kinds(client, name):
    layers = [{"type": "batch_norm1d"}, {"type": "dropout"}, {"type": "linear", "out": 2}]
    session = client.create(name, layers, input=[4])
    parts = model_file.parts_of(session, "pytorch")
    assert [model_file.kind_of(part.layer) for part in parts] == ["batch_norm", "dropout", "linear"]
    assert model_file.kind_of({"type": "max_pool2d"}) == "max_pool2d"
    assert set(parts[1].tensors) == {"draws"} and not model_file.shared(parts[1])
    assert set(model_file.shared(parts[2])) == {"weight", "bias"}
