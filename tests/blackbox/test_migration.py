# SPDX-License-Identifier: Apache-2.0
"""Files in both formats, folding, and what is refused, over the wire."""

import io

import numpy as np
import pytest
from harness import safetensors
from harness.rpc import RpcError
from models import batch, classifier, norm_only


def trained(rpc, name, **options):
    """A session with three steps behind it."""
    rpc.call("session.create", session=name, **classifier(**options))
    for seed in range(3):
        x, target = batch(seed)
        rpc.call("train", session=name, x=x, target=target)


def exported(rpc, name, **options):
    answer = rpc.call("session.export", session=name, **{"format": "safetensors", **options})
    if answer["format"] == "safetensors":
        return safetensors.load(answer["data"])
    with np.load(io.BytesIO(answer["data"])) as file:
        return {key: file[key] for key in file.files}


def saved(arrays, save=np.savez):
    file = io.BytesIO()
    save(file, *arrays)
    return file.getvalue()


def test_an_npz_has_the_arrays_of_get_weights(rpc, name):
    trained(rpc, name)
    own = exported(rpc, name)
    keras = exported(rpc, name, format="npz")
    assert list(keras) == [f"arr_{number}" for number in range(8)]
    names = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
             "3.weight", "3.bias"]
    for values, key in zip(keras.values(), names):
        np.testing.assert_array_equal(values, own[key].T, err_msg=key)


def test_the_optimizer_is_in_a_file_when_it_is_asked_for(rpc, name):
    trained(rpc, name)
    own = exported(rpc, name)
    assert "optimizer.0.weight.exp_avg" in own
    assert not any(key.startswith("optimizer.") for key in exported(rpc, name, optimizer=False))
    keras = exported(rpc, name, format="npz", optimizer=True)
    # Six trainable weights with two averages each, behind iteration and learning rate.
    assert len(keras) == 8 + 2 + 12
    assert keras["optimizer_0"] == 3
    np.testing.assert_array_equal(keras["optimizer_2"], own["optimizer.0.weight.exp_avg"].T)
    np.testing.assert_array_equal(keras["optimizer_3"], own["optimizer.0.weight.exp_avg_sq"].T)
    np.testing.assert_array_equal(keras["optimizer_4"], own["optimizer.0.bias.exp_avg"])


def test_the_iteration_of_an_npz_counts_batches_as_keras_does(rpc, name):
    optimizer = {"type": "adam", "gradient_accumulation_steps": 3}
    trained(rpc, name, optimizer=optimizer, convention="keras")
    x, target = batch(3)
    rpc.call("train", session=name, x=x, target=target)
    arrays = exported(rpc, name, format="npz", optimizer=True)
    assert arrays["optimizer_0"] == 4
    fields = classifier(optimizer=optimizer, convention="keras")
    rpc.call("session.create", session=f"{name}-other", **fields)
    file = io.BytesIO()
    np.savez(file, **arrays)
    rpc.call("session.import", session=f"{name}-other", data=file.getvalue())
    assert rpc.call("session.describe", session=f"{name}-other")["steps"] == 1
    for seed in range(4, 7):
        x, target = batch(seed)
        answers = [rpc.call("train", session=session, x=x, target=target)
                   for session in (name, f"{name}-other")]
        assert answers[0]["loss"] == answers[1]["loss"]
        assert answers[0]["steps"] == answers[1]["steps"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_what_numpy_packs_is_imported(rpc, name, save, dtype):
    trained(rpc, name)
    random = np.random.default_rng(1)
    weights = [
        random.uniform(0, 1, values.shape).astype(dtype)
        for values in exported(rpc, name, format="npz").values()
    ]
    weights[0] = np.asfortranarray(weights[0])
    answer = rpc.call("session.import", session=name, data=saved(weights, save))
    assert answer == {"created": False, "version": 4}
    for got, want in zip(exported(rpc, name, format="npz").values(), weights):
        np.testing.assert_array_equal(got, want.astype("f4"))


def test_a_session_goes_on_from_an_npz_to_the_same_bits(rpc, name):
    trained(rpc, name, convention="keras")
    data = rpc.call("session.export", session=name, format="npz", optimizer=True)["data"]
    copy = f"{name}-copy"
    rpc.call("session.create", session=copy, **classifier(convention="keras", seed=9))
    rpc.call("session.import", session=copy, format="npz", data=data)
    for seed in range(10, 13):
        x, target = batch(seed)
        answers = [rpc.call("train", session=s, x=x, target=target) for s in (name, copy)]
        assert answers[0]["loss"] == answers[1]["loss"]
    got, want = (exported(rpc, s, format="npz", optimizer=True) for s in (copy, name))
    for key, values in want.items():
        np.testing.assert_array_equal(got[key], values, err_msg=key)


def test_files_that_do_not_fit_are_refused_by_name(rpc, name):
    trained(rpc, name)
    weights = list(exported(rpc, name, format="npz").values())
    before = exported(rpc, name)

    def refused(data, message, **fields):
        with pytest.raises(RpcError) as error:
            rpc.call("session.import", session=name, data=data, **fields)
        assert message in str(error.value)

    refused(saved(weights[:-1]), "BAD_ARGUMENT data: expected 8 arrays, arr_0 to arr_7")
    turned = [weights[0].T, *weights[1:]]
    refused(saved(turned), 'BAD_SHAPE data: expected shape (6, 8) for "arr_0 (0.weight)", got (8, 6)')
    bad = [*weights[:5], -weights[5], *weights[6:]]
    refused(saved(bad), 'expected values of 0 or more in "arr_5 (1.running_var)"')
    bad = [np.full_like(weights[0], np.nan), *weights[1:]]
    refused(saved(bad), 'NOT_FINITE data: expected finite values in "arr_0 (0.weight)"')
    bad = [weights[0].astype("i4"), *weights[1:]]
    refused(saved(bad), 'expected a float type for "arr_0 (0.weight)", got int32')
    bad = [weights[0].astype(object), *weights[1:]]
    refused(saved(bad), 'BAD_ARGUMENT data: array "arr_0": expected')
    data = saved(weights)
    refused(data, "BAD_ARGUMENT data: expected a file of format safetensors", format="safetensors")
    refused(data[:-30], "BAD_ARGUMENT data: ")
    damaged = bytearray(data)
    damaged[200] ^= 1
    refused(bytes(damaged), 'BAD_ARGUMENT data: array "arr_0": expected')
    refused(safetensors.save(before), "expected a file of format npz", format="npz")
    with pytest.raises(RpcError, match="BAD_ARGUMENT format: expected .safetensors. or .npz."):
        rpc.call("session.export", session=name, format="h5")
    with pytest.raises(RpcError, match="BAD_ARGUMENT session: expected one that is there"):
        rpc.call("session.import", session=f"{name}-new", data=data)
    after = exported(rpc, name)
    for key, values in before.items():
        np.testing.assert_array_equal(after[key], values, err_msg=key)


def test_an_archive_that_unpacks_to_more_is_refused_before_it_is_unpacked(rpc, name):
    rpc.call("session.create", session=name, **norm_only(4))
    bomb = [np.zeros(1 << 26, "f4")] + [np.zeros(4, "f4")] * 3
    with pytest.raises(RpcError, match='TOO_LARGE data: array "arr_0": expected at most'):
        rpc.call("session.import", session=name, data=saved(bomb, np.savez_compressed))


@pytest.mark.parametrize("format", ["safetensors", "npz"])
@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_a_folded_session_infers_the_same(rpc, name, format, convention):
    trained(rpc, name, convention=convention)
    answer = rpc.call("session.export", session=name, format=format, fold=True)
    assert list(answer) == ["format", "version", "configuration", "data"]
    folded = f"{name}-folded"
    if format == "npz":
        rpc.call("session.create", session=folded, **answer["configuration"])
    rpc.call("session.import", session=folded, data=answer["data"])
    layers = rpc.call("session.describe", session=folded)["layers"]
    assert [layer["type"] for layer in layers] == ["linear", "relu", "linear"]
    x, _ = batch(50)
    want = rpc.call("infer", session=name, x=x)["y"]
    got = rpc.call("infer", session=folded, x=x)["y"]
    # A few dozen roundings of numbers near 1.
    np.testing.assert_allclose(got, want, rtol=0, atol=64 * 2**-24 * max(1, np.abs(want).max()))


def test_what_cannot_be_folded_is_refused_with_the_reason(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    with pytest.raises(RpcError, match=r"BAD_ARGUMENT fold: .*layers\[0\] is the first layer"):
        rpc.call("session.export", session=name, format="npz", fold=True)
    with pytest.raises(RpcError, match="BAD_ARGUMENT optimizer: expected false beside fold"):
        rpc.call("session.export", session=name, format="npz", fold=True, optimizer=True)


# Options that are no defaults, one for each kind of layer that has options.
LAYERS = [
    {"type": "linear", "out": 8, "bias": False},
    {"type": "batch_norm", "eps": 0.01, "momentum": 0.3, "affine": False},
    {"type": "leaky_relu", "negative_slope": 0.2},
    {"type": "linear", "out": 8, "weight_init": np.ones((8, 8), "f4"), "trainable": False},
    {"type": "batch_norm", "momentum": None, "running_variance": "biased"},
    {"type": "gelu"},
    {"type": "dropout", "p": 0.25},
    {"type": "batch_norm", "axis": -1, "on_single_value": "allow"},
    {"type": "softplus", "beta": 2.0},
    {"type": "linear", "out": 3},
]
WORDS = ("pytorch", "keras")
SGD = {"type": "sgd", "lr": 0.1, "bias_lr": 0.01}


def test_a_session_is_described_the_same_before_and_after_its_conversion(rpc, name):
    rpc.call("session.create", session=name, **classifier(layers=LAYERS, optimizer=SGD))
    before = {c: rpc.call("session.describe", session=name, convention=c) for c in WORDS}
    rpc.call("session.create", session=f"{name}-2", **classifier(layers=LAYERS, optimizer=SGD))
    for convention in ("keras", "pytorch", "keras"):
        answer = rpc.call("session.convert", session=name, convention=convention)
        assert answer["convention"] == convention
        after = {c: rpc.call("session.describe", session=name, convention=c) for c in WORDS}
        for words in WORDS:
            assert after[words]["layers"] == before[words]["layers"]
            assert after[words]["parameters"] == before[words]["parameters"]
            assert after[words]["convention"] == convention
        # What comes of the same batches is the same to the bit.
        x, target = batch(answer["version"])
        answers = [rpc.call("train", session=s, x=x, target=target) for s in (name, f"{name}-2")]
        assert answers[0]["loss"] == answers[1]["loss"]


# As those, for images.
IMAGE_LAYERS = [
    {"type": "conv2d", "out": 4, "kernel_size": 3, "padding": 1, "data_format": "channels_first"},
    {"type": "batch_norm", "axis": 1, "renorm": True, "renorm_momentum": 0.2},
    {"type": "max_pool2d", "kernel_size": 2, "padding": 1},
    {"type": "instance_norm", "axis": 1, "track_running_stats": True, "momentum": 0.3},
    {"type": "conv2d", "out": 4, "kernel_size": [2, 1], "padding": "same", "bias": False},
    {"type": "group_norm", "num_groups": 2},
    {"type": "avg_pool2d", "kernel_size": 2, "stride": 1},
    {"type": "batch_norm", "virtual_batch_size": 4},
    {"type": "global_avg_pool2d"},
    {"type": "flatten"},
    {"type": "layer_norm", "eps": 0.1},
    {"type": "linear", "out": 3},
]


def test_layers_of_images_are_converted_to_the_same_bits(rpc, name):
    options = {"layers": IMAGE_LAYERS, "input": [2, 9, 9], "optimizer": SGD,
               "loss": "cross_entropy"}
    names = (name, f"{name}-2")
    for session in names:
        rpc.call("session.create", session=session, **options)
    before = {c: rpc.call("session.describe", session=name, convention=c) for c in WORDS}
    random = np.random.default_rng(4)
    for convention in ("keras", "pytorch", "keras"):
        rpc.call("session.convert", session=name, convention=convention)
        after = {c: rpc.call("session.describe", session=name, convention=c) for c in WORDS}
        for words in WORDS:
            assert after[words]["layers"] == before[words]["layers"]
        x = random.normal(size=(8, 2, 9, 9)).astype("f4")
        target = random.integers(0, 3, 8)
        losses = [rpc.call("train", session=s, x=x, target=target)["loss"] for s in names]
        assert losses[0] == losses[1]
    one, other = (exported(rpc, s, optimizer=False) for s in names)
    for key, values in other.items():
        np.testing.assert_array_equal(one[key], values, err_msg=key)


def test_an_optimizer_that_differs_is_refused_until_it_is_replaced(rpc, name):
    trained(rpc, name)
    with pytest.raises(RpcError, match="BAD_ARGUMENT optimizer: expected one that both .* adam"):
        rpc.call("session.convert", session=name, convention="keras")
    adam = {"type": "adam", "learning_rate": 0.01, "epsilon": 1e-7}
    answer = rpc.call("session.convert", session=name, convention="keras", optimizer=adam)
    assert answer == {"convention": "keras", "version": 4}
    described = rpc.call("session.describe", session=name)
    assert described["steps"] == 3 and described["optimizer"]["epsilon"] == 1e-7
    with pytest.raises(RpcError, match='BAD_ARGUMENT convention: expected "pytorch" or "keras"'):
        rpc.call("session.convert", session=name, convention="jax")


def test_a_given_bias_lies_as_it_is(rpc, name):
    layer = {"type": "linear", "in": 2, "units": 3, "bias_initializer": np.arange(3, dtype="f4")}
    rpc.call("session.create", session=name, layers=[layer], convention="keras")
    y = rpc.call("infer", session=name, x=np.zeros((1, 2), "f4"))["y"]
    np.testing.assert_array_equal(y, [[0, 1, 2]])


@pytest.mark.parametrize("kind", ["batch_norm", "instance_norm"])
def test_a_state_dict_of_before_batches_were_counted_leaves_the_count(rpc, name, kind):
    layers = [{"type": kind, "features": 3, "track_running_stats": True}]
    rpc.call("session.create", session=name, layers=layers, input=[3, 4])
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("f4")
    rpc.call("forward", session=name, x=x)
    tensors = exported(rpc, name, optimizer=False)
    del tensors["0.num_batches_tracked"]
    tensors["0.running_mean"] = np.array([1, 2, 3], "f4")
    rpc.call("session.import", session=name, data=safetensors.save(tensors))
    after = exported(rpc, name, optimizer=False)
    assert after["0.num_batches_tracked"] == 1
    np.testing.assert_array_equal(after["0.running_mean"], tensors["0.running_mean"])
    del tensors["0.running_var"]
    with pytest.raises(RpcError, match='"0.running_var", which the file does not have'):
        rpc.call("session.import", session=name, data=safetensors.save(tensors))
