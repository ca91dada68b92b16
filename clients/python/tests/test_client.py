# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire for each call, and what its answer becomes."""

import numpy as np
import pytest
from fake_daemon import FakeDaemon, array_map, as_array, error, result

import normd


def daemon_with(value):
    return FakeDaemon(lambda request: result(request, value))


def test_a_request_has_the_form_of_the_protocol():
    with daemon_with("pong") as daemon, normd.connect(port=daemon.port) as client:
        assert client.ping() == "pong"
        assert client.ping() == "pong"
        assert daemon.requests == [[0, 0, "ping", [{}]], [0, 1, "ping", [{}]]]


def test_fields_left_out_are_not_sent_and_given_ones_are():
    answer = {"session": "m", "created": True}
    with daemon_with(answer) as daemon, normd.connect(port=daemon.port) as client:
        session = client.create("m", [{"type": "relu"}], input=3, seed=0, dtype="float64")
        assert session.name == "m" and session.description == answer
        fields = daemon.requests[0][3][0]
        assert fields == {
            "session": "m",
            "layers": [{"type": "relu"}],
            "input": 3,
            "seed": 0,
            "dtype": "float64",
        }


def test_initial_values_may_be_arrays_inside_layers():
    weights = np.arange(6, dtype="f8").reshape(2, 3)
    with daemon_with({"created": True}) as daemon, normd.connect(port=daemon.port) as client:
        client.create("m", [{"type": "linear", "out": np.int64(2), "weight_init": weights.T}])
        layer = daemon.requests[0][3][0]["layers"][0]
        assert layer["out"] == 2
        np.testing.assert_array_equal(as_array(layer["weight_init"]), weights.T)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12, dtype="<f4").reshape(3, 4),
        np.arange(12, dtype=">f8").reshape(3, 4),
        np.arange(12, dtype="f2").reshape(3, 4).T,
        np.arange(24, dtype="f4").reshape(4, 6)[::2, 1::2],
        np.zeros((0, 4), "f4"),
        np.float32(3.5),
        np.arange(1 << 15, dtype="f4").reshape(-1, 8),
        np.asfortranarray(np.arange(1 << 15, dtype=">f4").reshape(-1, 8)),
        [[1.5, 2.0], [3.0, 4.0]],
        np.array([True, False]),
        np.arange(5, dtype="i8"),
    ],
    ids=str,
)
def test_arrays_arrive_as_they_were(values):
    with daemon_with({"version": 0, "y": 0}) as daemon, normd.connect(port=daemon.port) as client:
        client.infer("m", values)
        sent = daemon.requests[0][3][0]["x"]
        assert list(sent) == ["nd", "type", "kind", "shape", "data"]
        assert sent["nd"] is True and sent["kind"] == "" and sent["type"][0] in "<|"
        expected = np.asarray(values)
        got = as_array(sent)
        assert got.dtype == expected.dtype.newbyteorder("<") and got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)


def test_arrays_that_the_wire_does_not_know_are_refused_before_anything_is_sent():
    with daemon_with("pong") as daemon, normd.connect(port=daemon.port) as client:
        for values in (np.array([None]), np.array(["a"]), np.array([1j]), np.ones(2, np.longdouble)):
            with pytest.raises(TypeError, match="expected an array of numbers"):
                client.infer("m", values)
        assert client.ping() == "pong"
        assert [request[2] for request in daemon.requests] == ["ping"]


@pytest.mark.parametrize("size", [0, 1, 1000, 4096, 1 << 20, 3_000_001])
@pytest.mark.parametrize("keys", ["str", "bin"])
def test_arrays_in_answers_are_whole_writable_and_of_their_type(size, keys):
    expected = np.arange(size, dtype="f4")
    wire = array_map(expected)
    if keys == "bin":
        wire = {key.encode(): value for key, value in wire.items()}
    answer = {"version": 7, "y": wire}
    with daemon_with(answer) as daemon, normd.connect(port=daemon.port) as client:
        version, y = client.infer("m", [1.0])
        assert version == 7
        np.testing.assert_array_equal(y, expected)
        assert y.dtype == np.float32 and y.flags.writeable


def test_results_are_typed():
    train = {"loss": 0.5, "accuracy": 0.25, "steps": 3, "version": 4}
    with daemon_with(train) as daemon, normd.connect(port=daemon.port) as client:
        assert client.train("m", [1.0], [0]) == normd.Train(0.5, 0.25, 3, 4)
        assert client.evaluate("m", [1.0], [0]).loss == 0.5
    del train["accuracy"]
    with daemon_with(train) as daemon, normd.connect(port=daemon.port) as client:
        assert client.train("m", [1.0], [0]).accuracy is None
    with daemon_with({"sessions": ["a", "b"]}) as daemon:
        with normd.connect(port=daemon.port) as client:
            assert client.list() == ["a", "b"]
    with daemon_with({"format": "safetensors", "version": 1, "data": b"xyz"}) as daemon:
        with normd.connect(port=daemon.port) as client:
            assert client.export("m") == normd.Export("safetensors", 1, b"xyz")


@pytest.mark.parametrize(
    "names",
    [
        ("running_mean", "running_var", "weight", "bias"),
        ("moving_mean", "moving_variance", "gamma", "beta"),
    ],
)
def test_stats_have_the_same_fields_for_both_conventions(names):
    arrays = {name: array_map(np.full(2, i, "f4")) for i, name in enumerate(names)}
    layer = {"name": "1", "type": "batch_norm", "num_batches_tracked": 9, **arrays}
    bare = {"name": "3", "type": "batch_norm", "num_batches_tracked": 0}
    with daemon_with({"version": 5, "layers": [layer, bare]}) as daemon:
        with normd.connect(port=daemon.port) as client:
            stats = client.session("m").stats()
    assert stats.version == 5 and [layer.name for layer in stats.layers] == ["1", "3"]
    assert [stats.layers[0][i][0] for i in range(3, 7)] == [0, 1, 2, 3]
    assert stats.layers[1].running_mean is None


def test_a_session_fills_its_name_into_each_call():
    with daemon_with({"version": 1}) as daemon, normd.connect(port=daemon.port) as client:
        session = client.session("m")
        session.train([1.0], [0])
        session.evaluate([1.0], [0])
        session.infer([1.0])
        session.forward([1.0], mask=[1], update_stats=False)
        session.backward(3, [1.0], apply=False)
        session.step()
        session.import_(b"file")
        methods = [request[2] for request in daemon.requests]
        assert methods == [
            "train", "evaluate", "infer", "forward", "backward", "step", "session.import",
        ]
        assert all(request[3][0]["session"] == "m" for request in daemon.requests)
        forward, backward = daemon.requests[3][3][0], daemon.requests[4][3][0]
        assert forward["mask"]["type"] == "|b1" and forward["update_stats"] is False
        assert backward["step"] == 3 and backward["apply"] is False


def test_each_code_is_an_exception_of_its_own():
    kinds = [kind for kind in normd.Error.__subclasses__()]
    assert len(kinds) == 22
    again = (normd.Busy, normd.StoreFailed, normd.ShuttingDown)
    for kind in kinds:
        if kind in again:
            continue
        with FakeDaemon(lambda request, kind=kind: error(request, f"{kind.code} x: no")) as daemon:
            with normd.connect(port=daemon.port) as client, pytest.raises(kind) as caught:
                client.ping()
        assert caught.value.code == kind.code and caught.value.message == "x: no"
        assert str(caught.value) == f"{kind.code} x: no"


def test_a_code_of_a_later_daemon_is_still_an_error():
    with FakeDaemon(lambda request: error(request, "NEW_CODE why")) as daemon:
        with normd.connect(port=daemon.port) as client, pytest.raises(normd.Error) as caught:
            client.ping()
    assert type(caught.value) is normd.Error and caught.value.code == "NEW_CODE"
