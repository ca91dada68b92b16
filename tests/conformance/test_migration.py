# SPDX-License-Identifier: Apache-2.0
"""Files, weights, optimizer variables and counts of the frameworks, through the daemon."""

import io

import numpy as np
import pytest
from golden import load
from harness import safetensors

CASES = load("migration")
# Inference rounds some dozens of times on numbers near 1; the frameworks do, too.
BOUND = 64 * 2.0**-24


def of_kind(kind):
    return pytest.mark.parametrize(
        "case", [c for c in CASES if c["kind"] == kind], ids=lambda c: c["name"]
    )


def create(rpc, case, convention):
    fields = {"convention": convention, "loss": "mse", "if_exists": "replace", **case["create"]}
    rpc.call("session.create", session=case["name"], **fields)
    return case["name"]


def exported(rpc, session, **options):
    answer = rpc.call("session.export", session=session, **{"format": "safetensors", **options})
    return safetensors.load(answer["data"])


def arrays(rpc, session, **options):
    data = rpc.call("session.export", session=session, format="npz", **options)["data"]
    with np.load(io.BytesIO(data)) as file:
        return {name: file[name] for name in file.files}


def saved(named):
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def assert_near(got, want):
    assert np.abs(got - want).max() <= BOUND * max(1.0, np.abs(want).max())


@of_kind("torch")
def test_a_state_dict_that_pytorch_saved_is_taken_to_the_bit(rpc, case):
    session = create(rpc, case, "pytorch")
    rpc.call("session.import", session=session, data=case["file"].tobytes())
    got = exported(rpc, session, optimizer=False)
    assert set(got) == set(case["state"])
    for name, want in case["state"].items():
        assert got[name].dtype == want.dtype
        np.testing.assert_array_equal(got[name], want, err_msg=name)
    assert_near(rpc.call("infer", session=session, x=case["x"])["y"], case["y"])


@of_kind("torch")
def test_a_file_of_halves_is_converted_exactly(rpc, case):
    session = create(rpc, case, "pytorch")
    rpc.call("session.import", session=session, data=case["half"].tobytes())
    got = exported(rpc, session, optimizer=False)
    for name, want in case["state"].items():
        if want.dtype.kind == "f":
            want = want.astype("f2").astype("f4")
        np.testing.assert_array_equal(got[name], want, err_msg=name)


@of_kind("torch")
def test_folding_is_that_of_pytorch_rounded_once(rpc, case):
    session = create(rpc, case, "pytorch")
    rpc.call("session.import", session=session, data=case["file"].tobytes())
    answer = rpc.call("session.export", session=session, format="safetensors", fold=True)
    got = safetensors.load(answer["data"])
    assert case["fused"]
    for name, want in case["fused"].items():
        # PyTorch's fold in double, then rounded: at most the last bit is another one, where a
        # rounding of the double fell on the middle between two floats.
        difference = np.abs(got[name].astype("f8") - want)
        assert (difference <= 0.5001 * np.spacing(np.abs(got[name]))).all(), name
    rpc.call("session.import", session=f"{session}-folded", data=answer["data"])
    assert_near(rpc.call("infer", session=f"{session}-folded", x=case["x"])["y"], case["y"])


@of_kind("keras")
def test_get_weights_goes_in_and_comes_out_to_the_bit(rpc, case):
    session = create(rpc, case, "keras")
    weights = {f"arr_{i}": values for i, values in enumerate(case["weights"])}
    rpc.call("session.import", session=session, data=saved(weights))
    got = arrays(rpc, session)
    assert list(got) == list(weights)
    for name, want in weights.items():
        np.testing.assert_array_equal(got[name], want, err_msg=name)
    assert_near(rpc.call("infer", session=session, x=case["x"])["y"], case["y"])


# Keras' names of slots by PyTorch's, which a session has.
SLOTS = {
    "adam": {"momentum": "exp_avg", "velocity": "exp_avg_sq", "velocity_hat": "max_exp_avg_sq"},
    "sgd": {"momentum": "momentum_buffer"},
    "rmsprop": {
        "velocity": "square_avg", "momentum": "momentum_buffer", "average_gradient": "grad_avg",
    },
    "adagrad": {"accumulator": "sum"},
    "lion": {"momentum": "exp_avg"},
}
WEIGHTS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}


@of_kind("keras")
def test_the_variables_of_an_optimizer_go_where_keras_has_them(rpc, case):
    session = create(rpc, case, "keras")
    weights = {f"arr_{i}": values for i, values in enumerate(case["weights"])}
    variables = {f"optimizer_{i}": values for i, values in enumerate(case["variables"])}
    rpc.call("session.import", session=session, data=saved({**weights, **variables}))
    got = arrays(rpc, session, optimizer=True)
    assert list(got) == [*weights, *variables]
    for name, want in variables.items():
        if name != "optimizer_1":  # the rate is an option
            np.testing.assert_array_equal(got[name], want, err_msg=name)
    assert rpc.call("session.describe", session=session)["steps"] == 3
    # And by name: "conv2d_kernel_momentum" of the i-th trainable weight with that ending.
    kind = case["create"]["optimizer"]["type"]
    slots = SLOTS["adam" if kind in ("adamw", "nadam") else kind]
    own = exported(rpc, session)
    counted = {}
    places = [
        f"{i}.{name}"
        for i, layer in enumerate(rpc.call("session.describe", session=session)["layers"])
        for name in ("weight", "bias")
        if f"{i}.{name}" in own
    ]
    for path, want in zip(case["paths"][2:], case["variables"][2:]):
        if path == "variable":  # Keras gives Nadam's product no better name
            assert own["optimizer.mu_product"] == want
            continue
        words = path.split("_")
        at = max(i for i, word in enumerate(words) if word in WEIGHTS)
        slot = slots["_".join(words[at + 1 :])]
        place = places[counted.setdefault(slot, 0)]
        counted[slot] += 1
        assert place.endswith(WEIGHTS[words[at]])
        if want.ndim > 1:
            want = want.transpose(want.ndim - 1, want.ndim - 2, *range(want.ndim - 2))
        np.testing.assert_array_equal(own[f"optimizer.{place}.{slot}"], want, err_msg=path)


@of_kind("counts")
def test_parameters_are_counted_as_each_framework_counts(rpc, case):
    for convention in ("pytorch", "keras"):
        layer = dict(case["layer"])
        shape = case["input"]
        if convention == "keras":
            shape = [*shape[1:], shape[0]]
            for own, other in (("p", "rate"), ("num_groups", "groups")):
                if own in layer:
                    layer[other] = layer.pop(own)
        name = f"counts-{case['name']}-{convention}"
        answer = rpc.call(
            "session.create", session=name, layers=[layer], input=shape, convention=convention
        )
        if case["pytorch"] is not None:
            assert answer["parameters"]["pytorch"] == case["pytorch"]
        assert answer["parameters"]["keras"] == case["keras"]
