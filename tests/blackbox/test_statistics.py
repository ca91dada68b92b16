# SPDX-License-Identifier: Apache-2.0
"""The statistics service: reset, recalibrate, freeze and thaw, one batch's statistics, drift.

Expected values are computed in long double; a result is rounded to the session's type once, from
doubles whose own error is far below that, so it is off by one unit in the last place at most.
"""

import numpy as np
import pytest
from harness.rpc import RpcError
from models import FEATURES, batch, classifier, norm_only

WIDE = np.longdouble


def one_ulp(got, want):
    got = np.asarray(got)
    return np.all(np.abs(got.astype(WIDE) - want) <= np.spacing(np.abs(got)).astype(WIDE))


def layer_stats(rpc, name, layer=0):
    return rpc.call("stats", session=name)["layers"][layer]


def rows(seed, count, features=4, offset=0.0):
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, features)) * [1, 3, 0.1, 10] + offset).astype(np.float32)


def moments(x):
    wide = x.astype(WIDE)
    return wide.mean(axis=0), wide.var(axis=0)


def test_reset_gives_zeros_and_ones_whatever_they_began_with(rpc, name):
    layer = {"running_mean_init": np.full(4, 7.0), "running_var_init": np.full(4, 5.0)}
    rpc.call("session.create", session=name, **norm_only(layer=layer))
    rpc.call("forward", session=name, x=rows(1, 9))
    answer = rpc.call("stats.reset", session=name)
    assert answer["version"] == 2
    stats = layer_stats(rpc, name)
    assert stats["num_batches_tracked"] == 0
    assert (stats["running_mean"] == 0).all() and (stats["running_var"] == 1).all()


def test_reset_of_one_layer_leaves_the_others(rpc, name):
    layers = [{"type": "batch_norm", "features": 4}, {"type": "batch_norm"}]
    rpc.call("session.create", session=name, layers=layers)
    rpc.call("forward", session=name, x=rows(1, 9))
    before = layer_stats(rpc, name, 0)
    rpc.call("stats.reset", session=name, layer="1")
    after = rpc.call("stats", session=name)["layers"]
    assert after[0]["running_var"].tobytes() == before["running_var"].tobytes()
    assert after[1]["num_batches_tracked"] == 0 and (after[1]["running_mean"] == 0).all()


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_pooled_recalibration_is_the_moments_of_all_rows(rpc, name, convention):
    rpc.call("session.create", session=name, convention=convention, **norm_only())
    batches = [rows(1, 7), rows(2, 40, offset=3), rows(3, 2, offset=1e4)]
    for x in batches:
        served = rpc.call("infer", session=name, x=rows(9, 3))
        rpc.call("stats.recalibrate", session=name, x=x, finish=False)
        # Nothing of it is seen before the end.
        again = rpc.call("infer", session=name, x=rows(9, 3))
        assert again["version"] == served["version"] == 0
        assert again["y"].tobytes() == served["y"].tobytes()
    answer = rpc.call("stats.recalibrate", session=name)
    assert answer == {"batches": 3, "finished": True, "version": 1}
    everything = np.concatenate(batches)
    mean, var = moments(everything)
    if convention == "pytorch":
        var = var * len(everything) / (len(everything) - 1)
    stats = rpc.call("stats", session=name, convention="pytorch")["layers"][0]
    assert stats["num_batches_tracked"] == 3
    assert one_ulp(stats["running_mean"], mean)
    assert one_ulp(stats["running_var"], var)


def test_mean_of_variances_weighs_batches_alike(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    batches = [rows(1, 7), rows(2, 40, offset=3), rows(3, 2)]
    for i, x in enumerate(batches):
        rpc.call(
            "stats.recalibrate", session=name, x=x, mode="mean_of_variances", finish=i == 2)
    stats = layer_stats(rpc, name)
    mean = np.mean([moments(x)[0] for x in batches], axis=0)
    var = np.mean([x.astype(WIDE).var(axis=0, ddof=1) for x in batches], axis=0)
    assert one_ulp(stats["running_mean"], mean)
    assert one_ulp(stats["running_var"], var)


def test_recalibration_goes_through_the_layers_in_training_mode(rpc, name):
    rpc.call("session.create", session=name, **classifier(dtype="float64"))
    for seed in range(3):
        x, target = batch(seed)
        rpc.call("train", session=name, x=x.astype(np.float64), target=target)
    x = batch(5, rows=50)[0].astype(np.float64)
    found = rpc.call("stats.batch", session=name, x=x)["layers"][0]
    rpc.call("stats.recalibrate", session=name, x=x)
    stats = layer_stats(rpc, name)
    np.testing.assert_allclose(stats["running_mean"], found["mean"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(stats["running_var"], found["var"] * 50 / 49, rtol=1e-12)
    y = rpc.call("forward", session=name, x=x, update_stats=False)["y"]
    # In eval mode with these very statistics y differs by the unbiased variance alone.
    assert np.abs(rpc.call("infer", session=name, x=x)["y"] - y).max() < 0.05


def test_a_refused_batch_loses_no_earlier_one(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    first, second = rows(1, 8), rows(2, 8)
    rpc.call("stats.recalibrate", session=name, x=first, finish=False)
    bad = rows(3, 8)
    bad[2, 1] = np.nan
    with pytest.raises(RpcError, match="NOT_FINITE"):
        rpc.call("stats.recalibrate", session=name, x=bad)
    with pytest.raises(RpcError, match="BAD_SHAPE"):
        rpc.call("stats.recalibrate", session=name, x=np.zeros((3, 5), np.float32))
    with pytest.raises(RpcError, match='mode: expected "pooled" as in the batches before'):
        rpc.call("stats.recalibrate", session=name, x=second, mode="mean_of_variances")
    with pytest.raises(RpcError, match='mode: expected "pooled" or "mean_of_variances"'):
        rpc.call("stats.recalibrate", session=name, x=second, mode="median")
    assert rpc.call("stats.recalibrate", session=name, x=second)["batches"] == 2
    assert one_ulp(
        layer_stats(rpc, name)["running_mean"], moments(np.concatenate([first, second]))[0])


def test_restart_forgets(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    rpc.call("stats.recalibrate", session=name, x=rows(1, 8), finish=False)
    answer = rpc.call(
        "stats.recalibrate", session=name, x=rows(2, 8), mode="mean_of_variances", restart=True)
    assert answer["batches"] == 1
    assert one_ulp(layer_stats(rpc, name)["running_mean"], moments(rows(2, 8))[0])
    with pytest.raises(RpcError, match="x: expected a batch, since none came before"):
        rpc.call("stats.recalibrate", session=name)


def test_a_masked_recalibration_counts_valid_rows(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = rows(1, 10)
    mask = np.arange(10) < 6
    rpc.call("stats.recalibrate", session=name, x=x, mask=mask)
    mean, var = moments(x[:6])
    stats = layer_stats(rpc, name)
    assert one_ulp(stats["running_mean"], mean)
    assert one_ulp(stats["running_var"], var * 6 / 5)


def test_a_frozen_layer_stands_still_until_it_is_thawed(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    x, target = batch(0)
    rpc.call("train", session=name, x=x, target=target)
    assert rpc.call("stats.freeze", session=name) == {"version": 2}
    before = layer_stats(rpc, name)
    rpc.call("train", session=name, x=x, target=target)
    frozen = layer_stats(rpc, name)
    for key in ("running_mean", "running_var", "weight", "bias"):
        assert frozen[key].tobytes() == before[key].tobytes()
    description = rpc.call("session.describe", session=name)
    assert description["layers"][1]["trainable"] is False
    assert description["steps"] == 2
    rpc.call("stats.thaw", session=name)
    rpc.call("train", session=name, x=x, target=target)
    for key in ("running_mean", "running_var", "weight", "bias"):
        assert layer_stats(rpc, name)[key].tobytes() != before[key].tobytes()


def test_frozen_statistics_leave_gamma_and_beta_to_learn(rpc, name):
    rpc.call("session.create", session=name, **classifier())
    x, target = batch(0)
    rpc.call("train", session=name, x=x, target=target)
    rpc.call("stats.freeze", session=name, layer=1, parameters=False)
    before = layer_stats(rpc, name)
    rpc.call("train", session=name, x=x, target=target)
    after = layer_stats(rpc, name)
    assert after["running_mean"].tobytes() == before["running_mean"].tobytes()
    assert after["weight"].tobytes() != before["weight"].tobytes()
    rpc.call("stats.thaw", session=name, parameters=False)
    assert rpc.call("session.describe", session=name)["layers"][1]["frozen_stats"] is False


def test_freezing_goes_on_to_the_bits_of_a_session_created_so(rpc, name):
    x, target = batch(0)
    rpc.call("session.create", session=name, **classifier())
    created = classifier()
    created["layers"][1]["trainable"] = False
    rpc.call("session.create", session=name + "-created", **created)
    rpc.call("stats.freeze", session=name)
    for seed in range(4):
        x, target = batch(seed)
        answers = [
            rpc.call("train", session=n, x=x, target=target)["loss"]
            for n in (name, name + "-created")]
        assert answers[0] == answers[1]


def test_batch_statistics_change_nothing(rpc, name):
    rpc.call("session.create", session=name, **norm_only())
    x = rows(4, 30, offset=1e3)
    answer = rpc.call("stats.batch", session=name, x=x)
    assert answer["version"] == 0
    (layer,) = answer["layers"]
    assert (layer["name"], layer["type"], layer["count"]) == ("0", "batch_norm", 30)
    mean, var = moments(x)
    assert one_ulp(layer["mean"], mean) and one_ulp(layer["var"], var)
    assert layer_stats(rpc, name)["num_batches_tracked"] == 0


def test_drift_is_0_and_1_for_the_batch_it_was_calibrated_on(rpc, name):
    rpc.call("session.create", session=name, **norm_only(dtype="float64"))
    x = rows(5, 64).astype(np.float64)
    rpc.call("stats.recalibrate", session=name, x=x)
    (layer,) = rpc.call("stats.drift", session=name, x=x)["layers"]
    assert np.abs(layer["mean_shift"]).max() < 1e-12
    np.testing.assert_allclose(layer["variance_ratio"], 1, rtol=1e-12)
    eps = 1e-5
    other = rows(6, 20, offset=2).astype(np.float64)
    answer = rpc.call("stats.drift", session=name, x=other)
    assert answer["version"] == 1
    stats = layer_stats(rpc, name)
    shift = (other.mean(axis=0) - stats["running_mean"]) / np.sqrt(stats["running_var"] + eps)
    ratio = (other.var(axis=0, ddof=1) + eps) / (stats["running_var"] + eps)
    np.testing.assert_allclose(answer["layers"][0]["mean_shift"], shift, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(answer["layers"][0]["variance_ratio"], ratio, rtol=1e-9)


def test_drift_of_a_deep_layer_is_seen_in_inference_mode(rpc, name):
    rpc.call("session.create", session=name, **classifier(dtype="float64"))
    x, target = batch(1)
    rpc.call("train", session=name, x=x, target=target)
    weights = rpc.call("session.describe", session=name)
    assert weights["layers"][0]["type"] == "linear"
    (layer,) = rpc.call("stats.drift", session=name, x=x)["layers"]
    assert layer["name"] == "1" and layer["count"] == len(x)
    assert layer["mean_shift"].shape == (8,) and layer["mean_shift"].dtype == np.float64
    # After one step of momentum 0.1 from zeros, the batch is still far off.
    assert np.abs(layer["mean_shift"]).max() > 0.01


@pytest.mark.parametrize("method, fields, message", [
    ("stats.reset", {"layer": "0"}, 'layer: expected the index of a batch_norm layer, got "0"'),
    ("stats.freeze", {"layer": 9}, 'layer: expected the index of a batch_norm layer, got "9"'),
    ("stats.batch", {"layer": 2.5}, "layer: expected an index or a name"),
    ("stats.drift", {"layer": "relu"}, "layer: expected the index of a batch_norm layer"),
])
def test_another_layer_is_refused(rpc, name, method, fields, message):
    rpc.call("session.create", session=name, **classifier())
    if method in ("stats.batch", "stats.drift"):
        fields = {**fields, "x": np.zeros((4, FEATURES), np.float32)}
    with pytest.raises(RpcError, match="BAD_ARGUMENT " + message):
        rpc.call(method, session=name, **fields)


def test_sessions_without_statistics_say_so(rpc, name):
    rpc.call("session.create", session=name, layers=[{"type": "linear", "in": 2, "out": 2}])
    with pytest.raises(RpcError, match="session: expected one with a batch_norm layer"):
        rpc.call("stats.reset", session=name)
    rpc.call(
        "session.create", session=name, if_exists="replace",
        **norm_only(layer={"track_running_stats": False}))
    for method in ("stats.reset", "stats.recalibrate", "stats.drift"):
        fields = {} if method == "stats.reset" else {"x": rows(1, 5)}
        with pytest.raises(RpcError, match="session: expected running statistics"):
            rpc.call(method, session=name, **fields)
    assert len(rpc.call("stats.batch", session=name, x=rows(1, 5))["layers"]) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_recalibration_moves_what_renormalization_compares_with(rpc, name, dtype):
    """Ioffe's r and d of the very batch are 1 and 0 then, so training gives what inference does."""
    clipping = {"rmax": 3.0, "rmin": 1 / 3, "dmax": 5.0}
    layer = {"renorm": True, "renorm_clipping": clipping}
    rpc.call("session.create", session=name, convention="keras", dtype=dtype,
             **norm_only(layer=layer))
    x = rows(1, 50, offset=5).astype(dtype)
    rpc.call("stats.recalibrate", session=name, x=x)
    stats = layer_stats(rpc, name)
    mean, var = moments(x)
    assert one_ulp(stats["renorm_mean"], mean) and one_ulp(stats["moving_mean"], mean)
    # A sum and a root, each rounded, of a variance that is a unit off.
    want = np.sqrt(var + WIDE(1e-3))
    assert np.abs(stats["renorm_stddev"] - want).max() <= 2 * np.finfo(dtype).eps * want.max()
    assert stats["renorm_stddev"].tobytes() == stats["moving_stddev"].tobytes()
    y = rpc.call("forward", session=name, x=x, update_stats=False)["y"]
    served = rpc.call("infer", session=name, x=x)["y"]
    # Both divide differences of numbers near 5, or 10, by deviations from 0.1 on.
    assert np.abs(y - served).max() < 100 * 16 * np.finfo(dtype).eps
