# SPDX-License-Identifier: Apache-2.0
"""Requests that cannot be done: the code, the field, what was expected and what came.

Each leaves the session as it was, bit for bit, and the connection as it was.
"""

from typing import Any, Dict, NamedTuple

import numpy as np
import pytest
from harness.rpc import RpcError, array_map
from models import FEATURES, batch, classifier, norm_only

X, TARGET = batch(0)
NAN, INF = X.copy(), X.copy()
NAN[3, 2], INF[5, 1] = np.nan, -np.inf


def array_with(**changes: Any) -> Dict[str, Any]:
    """X's array map with some entries changed, or left out where None."""
    fields = {**array_map(X, "str"), **changes}
    return {key: value for key, value in fields.items() if value is not None}


class Bad(NamedTuple):
    """A request, what its error begins with, and what its message says."""

    name: str
    method: str
    params: Dict[str, Any]
    begins: str
    says: str = ""


HERE: Any = object()
"""Stands for the session's name."""

FIELDS = [
    Bad("unknown method", "trane", {}, "NO_SUCH_METHOD method", "trane"),
    Bad("method in capitals", "PING", {}, "NO_SUCH_METHOD method"),
    Bad("no session", "train", {"x": X, "target": TARGET}, "BAD_ARGUMENT session", "nothing"),
    Bad("no x", "train", {"session": HERE, "target": TARGET}, "BAD_ARGUMENT x", "nothing"),
    Bad("no target", "train", {"session": HERE, "x": X}, "BAD_ARGUMENT target", "nothing"),
    Bad("nil x", "infer", {"session": HERE, "x": None}, "BAD_ARGUMENT x", "nil"),
    Bad("unknown field", "infer", {"session": HERE, "x": X, "y": 1}, "BAD_ARGUMENT", '"y"'),
    Bad("a field of ping", "ping", {"x": 1}, "BAD_ARGUMENT", '"x"'),
    Bad("session is a number", "stats", {"session": 5}, "BAD_ARGUMENT session", "5"),
    Bad("session is no text", "stats", {"session": b"\xff\xfe"}, "BAD_ARGUMENT session", "UTF-8"),
    Bad("session is a list", "stats", {"session": []}, "BAD_ARGUMENT session", "list"),
    Bad("x is a list", "infer", {"session": HERE, "x": [1.0]}, "BAD_ARGUMENT x", "list"),
    Bad("x is text", "infer", {"session": HERE, "x": "abc"}, "BAD_ARGUMENT x", "abc"),
    Bad("x is an empty map", "infer", {"session": HERE, "x": {}}, "BAD_ARGUMENT x"),
    Bad("step is negative", "backward", {"session": HERE, "step": -1, "dy": X},
        "BAD_ARGUMENT step", "-1"),
    Bad("step is a float", "backward", {"session": HERE, "step": 1.0, "dy": X},
        "BAD_ARGUMENT step"),
    Bad("apply is a number", "backward", {"session": HERE, "step": 1, "dy": X, "apply": 1},
        "BAD_ARGUMENT apply", "1"),
    Bad("unknown session", "train", {"session": "nobody", "x": X, "target": TARGET},
        "NO_SUCH_SESSION session", "nobody"),
    Bad("unknown session of infer", "infer", {"session": "nobody", "x": X},
        "NO_SUCH_SESSION session", "nobody"),
    Bad("unknown session of export", "session.export",
        {"session": "nobody", "format": "safetensors"}, "NO_SUCH_SESSION session"),
    Bad("unknown session of delete", "session.delete", {"session": "nobody"},
        "NO_SUCH_SESSION session"),
    Bad("unknown layer", "stats", {"session": HERE, "layer": "0"}, "BAD_ARGUMENT layer", '"0"'),
    Bad("unknown convention", "stats", {"session": HERE, "convention": "caffe"},
        "BAD_ARGUMENT convention", "caffe"),
    Bad("unknown format", "session.export", {"session": HERE, "format": "pickle"},
        "BAD_ARGUMENT format", "pickle"),
]

ARRAYS = [
    Bad("kind O", "infer", {"session": HERE, "x": array_with(kind="O")}, "BAD_ARGUMENT x", '"O"'),
    Bad("kind O as bin", "infer", {"session": HERE, "x": array_with(kind=b"O", type="|O")},
        "BAD_ARGUMENT x", '"O"'),
    Bad("type O", "infer", {"session": HERE, "x": array_with(type="|O")}, "BAD_ARGUMENT x"),
    Bad("kind V", "infer", {"session": HERE, "x": array_with(kind="V", type=[["a", "<f4"]])},
        "BAD_ARGUMENT x"),
    Bad("big-endian", "infer", {"session": HERE, "x": X.astype(">f4")},
        "BAD_ARGUMENT x.type", "little-endian"),
    Bad("complex", "infer", {"session": HERE, "x": X.astype("c8")}, "BAD_ARGUMENT x.type", "c8"),
    Bad("text", "infer", {"session": HERE, "x": array_with(type="<U1")}, "BAD_ARGUMENT x.type"),
    Bad("no type", "infer", {"session": HERE, "x": array_with(type=None)}, "BAD_ARGUMENT x.type"),
    Bad("no shape", "infer", {"session": HERE, "x": array_with(shape=None)},
        "BAD_ARGUMENT x.shape"),
    Bad("no data", "infer", {"session": HERE, "x": array_with(data=None)}, "BAD_ARGUMENT x.data"),
    Bad("short data", "infer", {"session": HERE, "x": array_with(data=bytes(380))},
        "BAD_ARGUMENT x.data", "384 bytes"),
    Bad("long data", "infer", {"session": HERE, "x": array_with(data=bytes(388))},
        "BAD_ARGUMENT x.data", "384 bytes"),
    Bad("data of numbers", "infer", {"session": HERE, "x": array_with(data=[1, 2])},
        "BAD_ARGUMENT x.data"),
    Bad("negative extent", "infer", {"session": HERE, "x": array_with(shape=[-16, 6])},
        "BAD_ARGUMENT x.shape", "-16"),
    Bad("nine axes", "infer", {"session": HERE, "x": array_with(shape=[1] * 9)},
        "BAD_ARGUMENT x.shape", "9"),
    Bad("a shape that overflows", "infer", {"session": HERE, "x": array_with(shape=[2**32] * 3)},
        "BAD_ARGUMENT x"),
    Bad("a shape that wraps to the data's size", "infer",
        {"session": HERE, "x": array_with(shape=[2**62 + 96, 4])}, "BAD_ARGUMENT x"),
    Bad("an unknown key", "infer", {"session": HERE, "x": array_with(order="F")},
        "BAD_ARGUMENT x", "order"),
    Bad("bool x", "infer", {"session": HERE, "x": X > 0}, "BAD_ARGUMENT x", "bool"),
]

SHAPES = [
    Bad("too few features", "infer", {"session": HERE, "x": X[:, :5]}, "BAD_SHAPE x", "(16, 5)"),
    Bad("too few features to train", "train", {"session": HERE, "x": X[:, :5], "target": TARGET},
        "BAD_SHAPE x", "(16, 5)"),
    Bad("one axis", "infer", {"session": HERE, "x": X[0]}, "BAD_SHAPE x", "(6,)"),
    Bad("three axes", "infer", {"session": HERE, "x": X[None]}, "BAD_SHAPE x", "(1, 16, 6)"),
    Bad("a scalar", "infer", {"session": HERE, "x": np.float32(1)}, "BAD_SHAPE x", "()"),
    Bad("no rows", "train", {"session": HERE, "x": X[:0], "target": TARGET[:0]}, "BAD_"),
    Bad("too few labels", "train", {"session": HERE, "x": X, "target": TARGET[:15]},
        "BAD_SHAPE target", "(15,)"),
    Bad("labels of two axes", "train", {"session": HERE, "x": X, "target": TARGET[:, None]},
        "BAD_SHAPE target", "(16, 1)"),
    Bad("labels of float", "train", {"session": HERE, "x": X, "target": TARGET.astype("f4")},
        "BAD_SHAPE target", "float32"),
    Bad("labels of bool", "train", {"session": HERE, "x": X, "target": TARGET > 0},
        "BAD_SHAPE target", "bool"),
    Bad("a label too high", "train", {"session": HERE, "x": X, "target": TARGET * 0 + 3},
        "BAD_ARGUMENT target", "0 to 2"),
    Bad("a label below zero", "train", {"session": HERE, "x": X, "target": TARGET * 0 - 1},
        "BAD_ARGUMENT target", "-1"),
    Bad("a label of 64 bits", "train",
        {"session": HERE, "x": X, "target": np.full(16, 2**63, "u8")}, "BAD_ARGUMENT target"),
    Bad("a wrong label to evaluate", "evaluate", {"session": HERE, "x": X, "target": TARGET + 99},
        "BAD_ARGUMENT target"),
    Bad("one row to train", "train", {"session": HERE, "x": X[:1], "target": TARGET[:1]},
        "BAD_SHAPE layers[1]", "(1, 8)"),
    Bad("dy of an unknown step", "backward", {"session": HERE, "step": 77, "dy": X},
        "CONTEXT_LOST step", "77"),
    Bad("nothing to step with", "step", {"session": HERE}, "BAD_ARGUMENT"),
]

NUMBERS = [
    Bad("NaN to train", "train", {"session": HERE, "x": NAN, "target": TARGET}, "NOT_FINITE x"),
    Bad("infinity to train", "train", {"session": HERE, "x": INF, "target": TARGET},
        "NOT_FINITE x"),
    Bad("NaN to forward", "forward", {"session": HERE, "x": NAN}, "NOT_FINITE x"),
    Bad("a float64 over float32's range", "train",
        {"session": HERE, "x": X.astype("f8") * 1e200, "target": TARGET}, "NOT_FINITE x"),
    Bad("an activation that overflows", "train",
        {"session": HERE, "x": X * np.float32(1e38), "target": TARGET}, "NOT_FINITE"),
]


def layers(*entries: Any, **options: Any) -> Dict[str, Any]:
    """session.create's fields for a new session."""
    return {"session": "new", "layers": list(entries), **options}


NORM = {"type": "batch_norm", "features": 4}

CREATE = [
    Bad("a duplicate name", "session.create", {"session": HERE, **norm_only()},
        "SESSION_EXISTS session"),
    Bad("no layers", "session.create", {"session": "new"}, "BAD_ARGUMENT layers",
        "expected a list of maps, got nothing"),
    Bad("an empty list of layers", "session.create", layers(), "BAD_ARGUMENT layers"),
    Bad("layers is a map", "session.create", {"session": "new", "layers": {}},
        "BAD_ARGUMENT layers", "map"),
    Bad("a layer is text", "session.create", layers("relu"), "BAD_ARGUMENT layers[0]"),
    Bad("an unknown layer", "session.create", layers({"type": "conv"}),
        "BAD_ARGUMENT layers[0].type", "conv"),
    Bad("a layer without a type", "session.create", layers(NORM, {}),
        "BAD_ARGUMENT layers[1].type"),
    Bad("an unknown option", "session.create", layers({**NORM, "epz": 1}),
        "BAD_ARGUMENT layers[0]", "epz"),
    Bad("no features known", "session.create", layers({"type": "batch_norm", "lazy": False}),
        "BAD_ARGUMENT layers[0].features"),
    Bad("features that do not fit", "session.create", layers({"type": "linear", "out": 3}, NORM,
        input=2), "BAD_ARGUMENT layers[1].features", "3"),
    Bad("negative eps", "session.create", layers({**NORM, "eps": -1}),
        "BAD_ARGUMENT layers[0].eps", "-1"),
    Bad("eps is NaN", "session.create", layers({**NORM, "eps": float("nan")}),
        "BAD_ARGUMENT layers[0].eps"),
    Bad("eps is text", "session.create", layers({**NORM, "eps": "small"}),
        "BAD_ARGUMENT layers[0].eps", "small"),
    Bad("momentum over 1", "session.create", layers({**NORM, "momentum": 1.5}),
        "BAD_ARGUMENT layers[0].momentum", "1.5"),
    Bad("affine is a number", "session.create", layers({**NORM, "affine": 1}),
        "BAD_ARGUMENT layers[0].affine"),
    Bad("a long initial value", "session.create",
        layers({**NORM, "weight_init": np.ones(5, "f4")}), "BAD_ARGUMENT layers[0].weight_init",
        "4"),
    Bad("an initial value that is NaN", "session.create",
        layers({**NORM, "bias_init": np.full(4, np.nan, "f4")}),
        "BAD_ARGUMENT layers[0].bias_init"),
    Bad("a negative variance", "session.create",
        layers({**NORM, "running_var_init": np.full(4, -1, "f4")}),
        "BAD_ARGUMENT layers[0].running_var_init"),
    Bad("a transposed kernel", "session.create",
        layers({"type": "linear", "in": 3, "out": 2, "kernel_initializer": np.ones((2, 3), "f4")},
            convention="keras"),
        "BAD_ARGUMENT layers[0].kernel_initializer", "of shape (3, 2), got one of shape (2, 3)"),
    Bad("a flat list for a matrix", "session.create",
        layers({"type": "linear", "in": 3, "out": 2, "weight_init": [1.0] * 6}),
        "BAD_ARGUMENT layers[0].weight_init", "of shape (2, 3), got a list"),
    Bad("an unknown initializer", "session.create", layers({**NORM, "weight_init": "magic"}),
        "BAD_ARGUMENT layers[0].weight_init", "magic"),
    Bad("no outputs", "session.create", layers({"type": "linear"}, input=3),
        "BAD_ARGUMENT layers[0].out"),
    Bad("zero outputs", "session.create", layers({"type": "linear", "out": 0}, input=3),
        "BAD_ARGUMENT layers[0].out", "0"),
    Bad("an unknown loss", "session.create", layers(NORM, loss="hinge"), "BAD_ARGUMENT loss",
        "hinge"),
    Bad("an unknown optimizer", "session.create", layers(NORM, optimizer="adamax"),
        "BAD_ARGUMENT optimizer", "adamax"),
    Bad("an optimizer's unknown option", "session.create",
        layers(NORM, optimizer={"type": "sgd", "beta": 1}), "BAD_ARGUMENT optimizer", "beta"),
    Bad("a negative rate", "session.create", layers(NORM, optimizer={"type": "sgd", "lr": -1}),
        "BAD_ARGUMENT optimizer.lr", "-1"),
    Bad("an unknown convention", "session.create", layers(NORM, convention="caffe"),
        "BAD_ARGUMENT convention", "caffe"),
    Bad("an unknown dtype", "session.create", layers(NORM, dtype="int8"), "BAD_ARGUMENT dtype",
        "int8"),
    Bad("a negative seed", "session.create", layers(NORM, seed=-1), "BAD_ARGUMENT seed", "-1"),
    Bad("an unknown if_exists", "session.create", layers(NORM, if_exists="maybe"),
        "BAD_ARGUMENT if_exists", '"maybe"'),
    Bad("an if_exists with signs and without end", "session.create",
        layers(NORM, if_exists='a"\\' + "b" * 500), "BAD_ARGUMENT if_exists",
        'got "a\\"\\\\bbb'),
    Bad("an empty name", "session.create", {**layers(NORM), "session": ""},
        "BAD_ARGUMENT session"),
    Bad("a very long name", "session.create", {**layers(NORM), "session": "n" * 5000},
        "BAD_ARGUMENT session"),
    Bad("a name with a line break", "session.create", {**layers(NORM), "session": "a\nb"},
        "BAD_ARGUMENT session"),
    Bad("more weights than memory", "session.create",
        layers({"type": "linear", "out": 2**31 - 1}, input=2**31 - 1), "TOO_LARGE layers[0]"),
    Bad("import of no file", "session.import",
        {"session": "new", "format": "safetensors", "data": b"garbage"}, "BAD_ARGUMENT data"),
    Bad("import of a number", "session.import",
        {"session": HERE, "format": "safetensors", "data": 5}, "BAD_ARGUMENT data"),
    Bad("import of a huge header", "session.import",
        {"session": HERE, "format": "safetensors", "data": b"\xff" * 64}, "BAD_ARGUMENT data"),
]


@pytest.fixture
def connection(daemon):
    """Its keys are str; below are some that are bin."""
    with daemon.connect(keys="str") as rpc:
        yield rpc


@pytest.mark.parametrize("bad", FIELDS + ARRAYS + SHAPES + NUMBERS + CREATE, ids=lambda b: b.name)
def test_a_request_that_cannot_be_done_is_refused_and_harms_nothing(connection, name, bad):
    connection.call("session.create", session=name, **classifier())
    connection.call("train", session=name, x=X, target=TARGET)
    before = connection.call("session.export", session=name, format="safetensors")
    sessions = connection.call("session.list")["sessions"]
    params = {key: name if value is HERE else value for key, value in bad.params.items()}
    with pytest.raises(RpcError) as caught:
        connection.call(bad.method, **params)
    error = str(caught.value)
    assert error.startswith(bad.begins), error
    assert bad.says in error, error
    assert caught.value.code in bad.begins or bad.begins == "BAD_", error
    assert connection.call("ping") == "pong"
    assert connection.call("session.export", session=name, format="safetensors") == before
    assert connection.call("session.list")["sessions"] == sessions


def test_a_wrong_key_is_shown_as_text_though_it_came_as_bin(daemon, name):
    with daemon.connect(keys="bin") as rpc:
        rpc.call("session.create", session=name, **classifier())
        with pytest.raises(RpcError, match='^BAD_ARGUMENT .*"epochs"'):
            rpc.call("train", session=name, x=X, target=TARGET, epochs=3)
        with pytest.raises(RpcError, match='^BAD_ARGUMENT x: .* got the key "order"'):
            rpc.call("infer", session=name, x={**array_map(X, "bin"), b"order": "F"})
        with pytest.raises(RpcError, match="^BAD_ARGUMENT .* 2 bytes"):
            rpc.send_raw(rpc.pack([0, rpc.next_id, "ping", [{b"\xff\x00": 1}]]))
            rpc.answer(rpc.next_id)
        assert rpc.call("ping") == "pong"


def test_a_field_given_twice_is_refused(rpc):
    message = b"\x94\x00\x01\xa5hello\x91\x82\xa6client\xa1a\xa6client\xa1b"
    rpc.send_raw(message)
    with pytest.raises(RpcError, match="^BAD_ARGUMENT client: .*twice"):
        rpc.answer(1)
    rpc.send_raw(b"\x94\x00\x01\xa5hello\x91\x82\xa6client\xa1a\xc4\x06client\xa1b")
    with pytest.raises(RpcError, match="^BAD_ARGUMENT client: .*twice"):
        rpc.answer(1)
    assert rpc.call("ping") == "pong"


def test_one_value_a_channel_follows_the_convention(rpc, name):
    x = np.array([[1.0, 2.0, 3.0, 4.0]], "f4")
    rpc.call("session.create", session=name, **norm_only())
    with pytest.raises(RpcError, match="^BAD_SHAPE x: expected more than 1 value per channel.*(1, 4)"):
        rpc.call("forward", session=name, x=x)
    assert rpc.call("infer", session=name, x=x)["y"].shape == (1, 4)
    mask = np.array([False, True])
    with pytest.raises(RpcError, match="^BAD_SHAPE x: .*one position valid"):
        rpc.call("forward", session=name, x=np.ones((2, 4), "f4"), mask=mask)
    own = norm_only(layer={"track_running_stats": False})
    rpc.call("session.create", session=f"{name}-own", **own)
    with pytest.raises(RpcError, match="^BAD_SHAPE x: .* for batch statistics"):
        rpc.call("infer", session=f"{name}-own", x=x)
    # Keras normalizes it to beta; so does PyTorch's convention when it is told to.
    for number, options in enumerate([
        {"convention": "keras"}, {"layer": {"on_single_value": "allow"}}
    ]):
        rpc.call("session.create", session=f"{name}-{number}", **norm_only(**options))
        y = rpc.call("forward", session=f"{name}-{number}", x=x)["y"]
        np.testing.assert_array_equal(y, 0)


def test_bad_numbers_pass_where_the_session_says_so(rpc, name):
    rpc.call("session.create", session=name, **norm_only(2, layer={"on_nonfinite": "propagate"}))
    x = np.array([[1, np.nan], [2, 3]], "f4")
    y = rpc.call("forward", session=name, x=x)["y"]
    assert np.isfinite(y[:, 0]).all() and np.isnan(y[:, 1]).all()
    mean = rpc.call("stats", session=name)["layers"][0]["running_mean"]
    assert np.isfinite(mean[0]) and np.isnan(mean[1])


def test_inference_lets_bad_numbers_through(rpc, name):
    rpc.call("session.create", session=name, **norm_only(2))
    y = rpc.call("infer", session=name, x=np.array([[1, np.nan], [2, np.inf]], "f4"))["y"]
    assert np.isfinite(y[:, 0]).all() and np.isnan(y[0, 1]) and np.isinf(y[1, 1])


def test_a_forward_step_is_used_up_by_its_backward(rpc, name):
    rpc.call("session.create", session=name, **norm_only(FEATURES))
    step = rpc.call("forward", session=name, x=X)["step"]
    with pytest.raises(RpcError, match="^BAD_SHAPE dy"):
        rpc.call("backward", session=name, step=step, dy=X[:5])
    # What was refused did not use it up.
    rpc.call("backward", session=name, step=step, dy=X)
    with pytest.raises(RpcError, match="^CONTEXT_LOST step"):
        rpc.call("backward", session=name, step=step, dy=X)


def test_train_without_a_loss_says_so(rpc, name):
    rpc.call("session.create", session=name, **norm_only(FEATURES))
    for method in ("train", "evaluate"):
        with pytest.raises(RpcError, match="^BAD_ARGUMENT .*loss"):
            rpc.call(method, session=name, x=X, target=X)
