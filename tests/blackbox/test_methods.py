# SPDX-License-Identifier: Apache-2.0
"""Every method does what it says, and answers with exactly its fields."""

import numpy as np
import pytest
from harness import safetensors
from harness.daemon import Daemon
from harness.rpc import RpcError
from models import CLASSES, FEATURES, batch, classifier, norm_only

LIMITS = {"message_bytes", "head_bytes", "elements", "depth"}


def test_ping_answers_pong_with_any_form_of_no_params(rpc):
    for params in ([], [{}], {}, [None]):
        rpc.send_raw(rpc.pack([0, 7, "ping", params]))
        assert rpc.receive() == [1, 7, None, "pong"]


def test_hello_introduces_the_daemon(both_keys):
    hello = both_keys.call("hello", client="a test")
    assert hello["server"] == "normd" and hello["protocol"] == 1
    assert isinstance(hello["version"], str) and LIMITS <= set(hello["limits"])


def test_server_info_counts_connections_and_sessions(daemon, rpc, name):
    before = rpc.call("server.info")
    assert set(before) >= {
        "version", "uptime", "threads", "instruction_set", "instruction_sets", "blas",
        "connections", "sessions", "bytes", "limits",
    }
    assert before["instruction_set"] in before["instruction_sets"]
    assert before["instruction_sets"][:2] == ["reference", "baseline"]
    assert before["threads"] >= 1 and before["uptime"] >= 0 and before["connections"] == 1
    with daemon.connect() as second:
        second.call("session.create", session=name, **norm_only(1000))
        after = second.call("server.info")
    assert after["connections"] == 2 and after["sessions"] == before["sessions"] + 1
    # gamma, beta and two statistics of 1000 float32 each are the least it can hold.
    assert after["bytes"] >= before["bytes"] + 16000
    assert after["uptime"] >= before["uptime"]


def test_the_log_says_which_client_speaks():
    with Daemon("--log-level", "debug") as daemon:
        with daemon.connect() as rpc:
            rpc.call("hello", client="ours 1.2")
    assert any(line.endswith(' is the client "ours 1.2"\n') for line in daemon.log)


def test_create_answers_the_description_with_every_default(both_keys, name):
    answer = both_keys.call("session.create", session=name, **classifier())
    assert answer["created"] is True and answer["session"] == name
    assert answer["convention"] == "pytorch" and answer["dtype"] == "float32"
    assert answer["version"] == 0 and answer["steps"] == 0 and answer["seed"] == 1
    assert [layer["type"] for layer in answer["layers"]] == [
        "linear", "batch_norm", "relu", "linear",
    ]
    norm = answer["layers"][1]
    expected = {
        "features": 8, "eps": 1e-5, "momentum": 0.1, "track_running_stats": True, "axis": 1,
        "running_variance": "unbiased", "trainable": True, "on_single_value": "error",
        "on_nonfinite": "reject",
    }
    assert {key: norm[key] for key in expected} == expected
    loss = answer["loss"]
    assert (loss if isinstance(loss, str) else loss["type"]) == "cross_entropy"
    optimizer = answer["optimizer"]
    assert optimizer["type"] == "adam" and optimizer["lr"] == 0.01
    assert optimizer["weight_lr"] == 0.01 and optimizer["bias_lr"] == 0.01
    # 6*8+8, 8+8, 8*3+3 parameters; running mean and variance of 8 and the counter.
    assert answer["parameters"] == {
        "pytorch": {"trainable": 99, "buffers": 17},
        "keras": {"trainable": 99, "non_trainable": 16},
    }
    described = both_keys.call("session.describe", session=name)
    del answer["created"]
    assert described == answer


def test_the_keras_convention_sets_defaults_and_names(rpc, name):
    rpc.call("session.create", session=name, **norm_only(4, convention="keras"))
    keras = rpc.call("session.describe", session=name)
    norm = keras["layers"][0]
    assert norm["epsilon"] == 1e-3 and norm["momentum"] == 0.99 and norm["axis"] == -1
    assert norm["running_variance"] == "biased" and norm["on_single_value"] == "allow"
    described = rpc.call("session.describe", session=name, convention="pytorch")
    pytorch = described["layers"][0]
    assert pytorch["eps"] == 1e-3 and pytorch["momentum"] == 0.01
    assert described["optimizer"]["lr"] == 1e-2
    assert keras["optimizer"]["learning_rate"] == 1e-2 and "lr" not in keras["optimizer"]
    layer = rpc.call("stats", session=name)["layers"][0]
    assert {"moving_mean", "moving_variance", "gamma", "beta"} <= set(layer)
    layer = rpc.call("stats", session=name, convention="pytorch")["layers"][0]
    assert {"running_mean", "running_var", "weight", "bias"} <= set(layer)


def test_a_given_kernel_lies_as_its_name_says(rpc, name):
    kernel = np.arange(6, dtype="f4").reshape(3, 2)
    names = {"kernel_initializer": kernel, "weight_init": kernel.T.copy()}
    for number, (option, values) in enumerate(names.items()):
        layer = {"type": "linear", "in": 3, "units": 2, "use_bias": False, option: values}
        session = f"{name}-{number}"
        rpc.call("session.create", session=session, layers=[layer], convention="keras")
        y = rpc.call("infer", session=session, x=np.eye(3, dtype="f4"))["y"]
        np.testing.assert_array_equal(y, kernel)


def test_list_names_sessions_until_they_are_deleted(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    assert name in rpc.call("session.list")["sessions"]
    assert rpc.call("session.delete", session=name) == {"deleted": True}
    assert name not in rpc.call("session.list")["sessions"]
    with pytest.raises(RpcError, match="NO_SUCH_SESSION session"):
        rpc.call("session.describe", session=name)
    # The name is free again.
    assert rpc.call("session.create", session=name, **norm_only())["created"] is True


def test_if_exists_decides_about_a_name_that_is_taken(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = np.arange(8, dtype="f4").reshape(2, 4)
    rpc.call("forward", session=name, x=x)
    with pytest.raises(RpcError, match=f"SESSION_EXISTS session.*{name}"):
        rpc.call("session.create", session=name, **norm_only())
    answer = rpc.call("session.create", session=name, if_exists="ok", **norm_only())
    assert answer["created"] is False and answer["version"] == 1
    with pytest.raises(RpcError, match="SESSION_EXISTS"):
        rpc.call("session.create", session=name, if_exists="ok", **norm_only(5))
    answer = rpc.call("session.create", session=name, if_exists="replace", **norm_only())
    assert answer["created"] is True and answer["version"] == 0


def test_train_and_evaluate_answer_loss_accuracy_rate_steps_and_version(both_keys, name):
    both_keys.call("session.create", session=name, **classifier())
    x, target = batch(1)
    train = both_keys.call("train", session=name, x=x, target=target)
    assert set(train) == {"loss", "accuracy", "lr", "steps", "version"}
    assert train["lr"] == 0.01
    assert train["steps"] == 1 and train["version"] == 1
    assert 0 < train["loss"] < 10 and (train["accuracy"] * 16) % 1 == 0
    evaluate = both_keys.call("evaluate", session=name, x=x, target=target)
    assert set(evaluate) == {"loss", "accuracy", "steps", "version"}
    assert evaluate["version"] == 1 and evaluate["loss"] != train["loss"]
    # Labels of any integer type, and probabilities, mean the same.
    for dtype in ("i1", "u1", "i4", "u8"):
        again = both_keys.call("evaluate", session=name, x=x, target=target.astype(dtype))
        assert again == evaluate
    one_hot = np.eye(CLASSES, dtype="f4")[target]
    again = both_keys.call("evaluate", session=name, x=x, target=one_hot)
    assert again["loss"] == pytest.approx(evaluate["loss"], rel=1e-12)


def test_a_loss_without_classes_has_no_accuracy(rpc, name):
    rpc.call("session.create", session=name, **norm_only(3, loss="mse"))
    x = np.random.default_rng(2).normal(size=(8, 3)).astype("f4")
    answer = rpc.call("train", session=name, x=x, target=x)
    assert set(answer) == {"loss", "lr", "steps", "version"}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("session_dtype", ["float32", "float64"])
def test_floats_of_any_size_train_and_infer(rpc, name, dtype, session_dtype):
    rpc.call("session.create", session=name, **classifier(dtype=session_dtype))
    x, target = batch(3)
    rpc.call("train", session=name, x=x.astype(dtype), target=target)
    y = rpc.call("infer", session=name, x=x.astype(dtype))["y"]
    assert y.dtype == np.dtype(session_dtype) and y.shape == (16, CLASSES)
    # The values of the narrower type are what is computed with.
    wide = rpc.call("infer", session=name, x=x.astype(dtype).astype(session_dtype))["y"]
    np.testing.assert_array_equal(y, wide)


def test_infer_changes_nothing(both_keys, name):
    both_keys.call("session.create", session=name, **classifier())
    before = both_keys.call("session.export", session=name, format="safetensors")
    x, _ = batch(4)
    first = both_keys.call("infer", session=name, x=x)
    assert set(first) == {"version", "y"} and first["version"] == 0
    second = both_keys.call("infer", session=name, x=x)
    np.testing.assert_array_equal(first["y"], second["y"])
    # A row's answer does not depend on its neighbours, and one row is enough.
    alone = both_keys.call("infer", session=name, x=x[:1])["y"]
    np.testing.assert_allclose(alone, first["y"][:1], rtol=1e-5, atol=1e-6)
    assert both_keys.call("session.export", session=name, format="safetensors") == before


def test_forward_and_backward_make_a_step(both_keys, name):
    both_keys.call("session.create", session=name, **norm_only())
    x = np.random.default_rng(5).normal(3, 2, (32, 4)).astype("f4")
    forward = both_keys.call("forward", session=name, x=x)
    assert set(forward) == {"step", "version", "y"} and forward["version"] == 1
    np.testing.assert_allclose(forward["y"].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(forward["y"].std(axis=0), 1, atol=1e-4)
    dy = np.ones_like(x)
    backward = both_keys.call("backward", session=name, step=forward["step"], dy=dy)
    assert set(backward) == {"version", "dx"} and backward["version"] == 2
    # A gradient that is the same for every row is orthogonal to what normalizing lets through.
    np.testing.assert_allclose(backward["dx"], 0, atol=1e-5)
    stats = both_keys.call("stats", session=name)["layers"][0]
    # SGD's default rate, dbeta = the number of rows.
    np.testing.assert_allclose(stats["bias"], -32e-3, rtol=1e-6)


def test_backward_without_apply_adds_up_until_step(rpc, name):
    options = {"optimizer": {"type": "sgd", "lr": 0.5}}
    rpc.call("session.create", session=name, **norm_only(**options))
    x = np.random.default_rng(6).normal(size=(8, 4)).astype("f4")
    for _ in range(3):
        step = rpc.call("forward", session=name, x=x)["step"]
        rpc.call("backward", session=name, step=step, dy=np.ones_like(x), apply=False)
    bias = rpc.call("stats", session=name)["layers"][0]["bias"]
    np.testing.assert_array_equal(bias, 0)
    version = rpc.call("stats", session=name)["version"]
    answer = rpc.call("step", session=name)
    assert answer == {"version": version + 1}
    bias = rpc.call("stats", session=name)["layers"][0]["bias"]
    np.testing.assert_allclose(bias, -0.5 * 3 * 8)
    with pytest.raises(RpcError, match="BAD_ARGUMENT"):
        rpc.call("step", session=name)


def test_update_stats_false_leaves_the_running_statistics(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = np.random.default_rng(7).normal(5, 1, (8, 4)).astype("f4")
    rpc.call("forward", session=name, x=x, update_stats=False)
    layer = rpc.call("stats", session=name)["layers"][0]
    assert layer["num_batches_tracked"] == 0
    np.testing.assert_array_equal(layer["running_mean"], 0)


@pytest.mark.parametrize("keras", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_training_under_a_mask_does_not_see_rows_without_weight(rpc, name, keras, lazy):
    x, target = batch(1)
    valid = np.arange(len(x)) % 3 != 0
    noise = np.where(valid[:, None], x, np.float32(1e6))
    model = classifier(convention="keras" if keras else "pytorch")
    if lazy:
        model.pop("input")
    extras = {"mask": valid, "sample_weight": valid.astype("f4")}
    for session, rows in ((name, x), (f"{name}-noisy", noise)):
        rpc.call("session.create", session=session, **model)
        for _ in range(3):
            answer = rpc.call("train", session=session, x=rows, target=target, **extras)
        assert np.isfinite(answer["loss"])
    states = [rpc.call("stats", session=s)["layers"][0] for s in (name, f"{name}-noisy")]
    for key, values in states[0].items():
        np.testing.assert_array_equal(states[1][key], values)
    # In inference the running statistics count, whatever the mask.
    answers = [rpc.call("evaluate", session=name, x=x, target=target, **more)
               for more in ({}, {"mask": valid})]
    assert answers[0] == answers[1]


def test_evaluating_under_a_mask_without_running_statistics_takes_the_true_rows(rpc, name):
    model = classifier(loss="cross_entropy")
    model["layers"][1] = {"type": "batch_norm", "track_running_stats": False}
    rpc.call("session.create", session=name, **model)
    x, target = batch(1)
    valid = np.arange(len(x)) < 10
    weight = valid.astype("f4") * len(x) / 10
    got = rpc.call("evaluate", session=name, x=x, target=target, mask=valid, sample_weight=weight)
    want = rpc.call("evaluate", session=name, x=x[valid], target=target[valid])
    np.testing.assert_allclose(got["loss"], want["loss"], rtol=1e-6)


def test_a_mask_leaves_positions_out_of_the_statistics(rpc, name):
    rpc.call("session.create", session=name, **norm_only(3, convention="keras"))
    x = np.random.default_rng(8).normal(size=(4, 5, 3)).astype("f4")
    mask = np.zeros((4, 5), bool)
    mask[:, :2] = True
    noise = x.copy()
    noise[~mask] = 1e6
    y = rpc.call("forward", session=name, x=x, mask=mask, update_stats=False)["y"]
    noisy = rpc.call("forward", session=name, x=noise, mask=mask, update_stats=False)["y"]
    np.testing.assert_array_equal(y[mask], noisy[mask])
    np.testing.assert_allclose(y[mask].mean(axis=0), 0, atol=1e-6)


def test_stats_answer_every_batch_norm_or_the_one_asked_for(both_keys, name):
    options = classifier()
    options["layers"] = options["layers"][:3] + options["layers"][:2]
    both_keys.call("session.create", session=name, **options)
    x, target = batch(9)
    both_keys.call("train", session=name, x=x, target=target)
    answer = both_keys.call("stats", session=name)
    assert answer["version"] == 1 and [layer["name"] for layer in answer["layers"]] == ["1", "4"]
    for layer in answer["layers"]:
        assert set(layer) == {
            "name", "type", "num_batches_tracked", "running_mean", "running_var", "weight", "bias",
        }
        assert layer["type"] == "batch_norm" and layer["num_batches_tracked"] == 1
        assert layer["weight"].shape == (8,) and layer["running_var"].dtype == np.float32
    (only,) = both_keys.call("stats", session=name, layer="4")["layers"]
    np.testing.assert_array_equal(only["running_mean"], answer["layers"][1]["running_mean"])


def test_stats_leave_out_what_a_layer_does_not_have(rpc, name):
    layer = {"affine": False, "track_running_stats": False}
    rpc.call("session.create", session=name, **norm_only(layer=layer))
    (answer,) = rpc.call("stats", session=name)["layers"]
    assert not {"running_mean", "running_var", "weight", "bias"} & set(answer)


def test_export_and_import_move_a_session_with_its_optimizer(both_keys, name):
    both_keys.call("session.create", session=name, **classifier())
    for seed in range(3):
        x, target = batch(seed)
        both_keys.call("train", session=name, x=x, target=target)
    exported = both_keys.call("session.export", session=name, format="safetensors")
    assert set(exported) == {"format", "version", "data"}
    assert exported["format"] == "safetensors" and exported["version"] == 3
    tensors = safetensors.load(exported["data"])
    assert tensors["0.weight"].shape == (8, FEATURES) and tensors["3.bias"].shape == (3,)
    assert tensors["1.num_batches_tracked"] == 3
    answer = both_keys.call(
        "session.import", session=f"{name}-copy", format="safetensors", data=exported["data"]
    )
    assert set(answer) == {"created", "version"} and answer["created"] is True
    # The copy goes on as the original does, bit for bit.
    x, target = batch(99)
    for session in (name, f"{name}-copy"):
        last = both_keys.call("train", session=session, x=x, target=target)
    answer = [
        safetensors.load(both_keys.call("session.export", session=s, format="safetensors")["data"])
        for s in (name, f"{name}-copy")
    ]
    assert answer[0].keys() == answer[1].keys() and last["loss"] > 0
    for key, values in answer[0].items():
        np.testing.assert_array_equal(values, answer[1][key], err_msg=key)


def test_import_sets_the_state_of_a_session_that_is_there(rpc, name):
    rpc.call("session.create", session=name, **norm_only(2))
    tensors = safetensors.load(
        rpc.call("session.export", session=name, format="safetensors")["data"]
    )
    tensors["0.running_mean"] = np.array([3.0, -4.0], "f4")
    tensors["0.weight"] = np.array([2.0, 0.5], "f4")
    tensors["0.num_batches_tracked"] = np.array(17, "i8")
    data = safetensors.save(tensors)
    answer = rpc.call("session.import", session=name, format="safetensors", data=data)
    assert answer == {"created": False, "version": 1}
    (layer,) = rpc.call("stats", session=name)["layers"]
    np.testing.assert_array_equal(layer["running_mean"], tensors["0.running_mean"])
    np.testing.assert_array_equal(layer["weight"], tensors["0.weight"])
    assert layer["num_batches_tracked"] == 17
    # Without the configuration that an export has inside, a file cannot make a session.
    with pytest.raises(RpcError, match="BAD_ARGUMENT"):
        rpc.call("session.import", session=f"{name}-new", format="safetensors", data=data)
