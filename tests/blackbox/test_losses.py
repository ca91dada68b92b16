# SPDX-License-Identifier: Apache-2.0
"""Losses over the wire: options, sample weights, metrics, and what is refused."""

import numpy as np
import pytest
from harness.rpc import RpcError
from models import CLASSES, FEATURES, batch, classifier

X, TARGET = batch(3)
WEIGHTS = np.arange(len(X)) / 8


def losses_of(rpc, name):
    """The loss of each sample alone, and the outputs."""
    y = rpc.call("infer", session=name, x=X)["y"].astype("f8")
    log_p = y - np.log(np.exp(y).sum(1, keepdims=True))
    return -log_p[np.arange(len(y)), TARGET], y


def test_sample_weights_scale_the_loss_of_their_samples(both_keys, name):
    both_keys.call("session.create", session=name, **classifier())
    losses, y = losses_of(both_keys, name)
    got = both_keys.call(
        "evaluate", session=name, x=X, target=TARGET, sample_weight=WEIGHTS)
    # y comes rounded to float32: 1e-7 of numbers around 1, with slack for the sum of exponentials.
    assert got["loss"] == pytest.approx((losses * WEIGHTS).mean(), abs=1e-5)
    hits = y.argmax(1) == TARGET
    assert got["accuracy"] == pytest.approx((hits * WEIGHTS).sum() / WEIGHTS.sum(), abs=1e-12)
    assert set(got) == {"loss", "accuracy", "steps", "version"}


def test_a_weight_of_zero_takes_a_sample_out_of_the_step(rpc, name):
    plain = {**classifier(), "layers": [{"type": "linear", "out": CLASSES}],
             "loss": {"type": "cross_entropy", "reduction": "mean_with_sample_weight"},
             "dtype": "float64"}
    states = []
    for number, (rows, weights) in enumerate([(X, WEIGHTS * 0 + (np.arange(16) < 9)), (X[:9], None)]):
        session = f"{name}-{number}"
        rpc.call("session.create", session=session, **plain)
        fields = {} if weights is None else {"sample_weight": weights}
        rpc.call("train", session=session, x=rows, target=TARGET[:len(rows)], **fields)
        states.append(rpc.call("infer", session=session, x=X)["y"])
    # Sums of the same numbers in another order, through one step of Adam.
    np.testing.assert_allclose(states[0], states[1], rtol=0, atol=1e-12)


def test_metrics_are_answered_in_the_sessions_order(rpc, name):
    metrics = [{"type": "top_k", "k": 2}, "accuracy", {"type": "top_k", "k": CLASSES}]
    answer = rpc.call("session.create", session=name, **classifier(metrics=metrics))
    assert answer["metrics"] == [
        {"type": "top_k", "k": 2}, {"type": "accuracy"}, {"type": "top_k", "k": CLASSES}]
    _, y = losses_of(rpc, name)
    got = rpc.call("evaluate", session=name, x=X, target=TARGET)
    rank = (y > y[np.arange(len(y)), TARGET][:, None]).sum(1)
    assert list(got["metrics"]) == ["top_2", "accuracy", f"top_{CLASSES}"]
    assert got["metrics"] == {"top_2": (rank < 2).mean(), "accuracy": (rank < 1).mean(),
                              f"top_{CLASSES}": 1.0}
    assert got["metrics"]["accuracy"] == got["accuracy"]
    assert list(rpc.call("train", session=name, x=X, target=TARGET)) == [
        "loss", "accuracy", "metrics", "lr", "steps", "version"]


def test_regression_has_no_accuracy_but_mean_errors(rpc, name):
    fields = classifier(loss={"type": "huber", "delta": 0.5}, metrics=["mae", "mean_squared_error"])
    rpc.call("session.create", session=name, **fields)
    y = rpc.call("infer", session=name, x=X)["y"].astype("f8")
    got = rpc.call("evaluate", session=name, x=X, target=np.zeros_like(y))
    assert "accuracy" not in got
    assert got["metrics"]["mae"] == pytest.approx(np.abs(y).mean(), rel=1e-12)
    assert got["metrics"]["mse"] == pytest.approx((y * y).mean(), rel=1e-12)


def test_a_loss_with_weights_survives_export_and_import(rpc, name):
    loss = {"type": "cross_entropy", "weight": np.array([1, 0.1, 3]), "label_smoothing": 0.1}
    rpc.call("session.create", session=name, **classifier(loss=loss, metrics=["top_k"]))
    rpc.call("train", session=name, x=X, target=TARGET)
    file = rpc.call("session.export", session=name, format="safetensors")["data"]
    rpc.call("session.import", session=f"{name}-b", format="safetensors", data=file)
    answers = [rpc.call("train", session=s, x=X, target=TARGET, sample_weight=WEIGHTS)
               for s in (name, f"{name}-b")]
    assert answers[0] == answers[1]
    described = rpc.call("session.describe", session=f"{name}-b")
    assert described["loss"]["weight"] == [1.0, 0.1, 3.0]


BAD_CREATE = {
    "few class weights": ({"loss": {"type": "cross_entropy", "weight": [1.0, 2.0]}},
                          "loss.weight: expected 3 values, got 2"),
    "a matrix of weights": ({"loss": {"type": "cross_entropy", "weight": np.ones((3, 1))}},
                            "loss.weight: expected a list or a vector"),
    "NaN weights": ({"loss": {"type": "cross_entropy", "weight": np.full(3, np.nan)}},
                    "loss.weight: expected finite values, got nan"),
    "bool weights": ({"loss": {"type": "cross_entropy", "weight": np.ones(3, bool)}},
                     "loss.weight: expected an array of numbers, got bool"),
    "an unknown option": ({"loss": {"type": "mse", "delta": 1}}, "loss: expected the keys"),
    "a smoothing over 1": ({"loss": {"type": "cross_entropy", "label_smoothing": 2}},
                           "loss.label_smoothing: expected a number in [0, 1], got 2"),
    "an unknown reduction": ({"loss": {"type": "l1", "reduction": "none"}},
                             'loss.reduction: expected one of "mean", "sum"'),
    "a metric of another loss": ({"loss": "mse", "metrics": ["accuracy"]},
                                 'metrics[0]: expected one of "mae", "mse"'),
    "metrics without a loss": ({"loss": None, "metrics": ["accuracy"]}, "metrics: expected a loss"),
    "an unknown metric": ({"metrics": ["f1"]}, 'metrics[0]: expected one of "accuracy", "top_k"'),
}


@pytest.mark.parametrize("case", BAD_CREATE, ids=lambda c: c.replace(" ", "-"))
def test_a_wrong_loss_is_refused_when_the_session_is_created(rpc, name, case):
    fields, message = BAD_CREATE[case]
    with pytest.raises(RpcError) as caught:
        rpc.call("session.create", session=name, **{**classifier(), **fields})
    assert str(caught.value).startswith(f"BAD_ARGUMENT {message}"), caught.value
    assert name not in rpc.call("session.list")["sessions"]


BAD_BATCH = {
    "a negative weight": ({"sample_weight": -WEIGHTS}, "BAD_ARGUMENT sample_weight: "),
    "a weight that is NaN": ({"sample_weight": WEIGHTS * np.nan}, "BAD_ARGUMENT sample_weight: "),
    "few weights": ({"sample_weight": WEIGHTS[1:]}, "BAD_SHAPE sample_weight: expected one number"),
    "weights of two axes": ({"sample_weight": WEIGHTS[:, None]}, "BAD_SHAPE sample_weight: "),
    "weights of bool": ({"sample_weight": WEIGHTS > 0}, "BAD_ARGUMENT sample_weight: "),
    "a mask of numbers": ({"mask": np.ones(len(X))}, "BAD_ARGUMENT mask: expected bool values"),
    "a mask of other rows": ({"mask": np.ones(3, bool)}, "BAD_SHAPE mask: expected"),
    "a mask without a true position": ({"mask": X[:, 0] > 1e6}, "BAD_ARGUMENT mask: expected at"),
    "only ignored labels": ({"target": TARGET * 0 - 100}, "BAD_ARGUMENT target: "),
    "an infinite input": ({"x": np.where(X > 0, -np.inf, X)}, "NOT_FINITE x: "),
}


@pytest.mark.parametrize("case", BAD_BATCH, ids=lambda c: c.replace(" ", "-"))
def test_a_wrong_batch_leaves_the_session_as_it_was(rpc, name, case):
    fields, message = BAD_BATCH[case]
    rpc.call("session.create", session=name, **classifier())
    before = rpc.call("session.export", session=name, format="safetensors")
    for method in ("train", "evaluate") if "mask" in fields else ("train",):
        with pytest.raises(RpcError) as caught:
            rpc.call(method, **{"session": name, "x": X, "target": TARGET, **fields})
        assert str(caught.value).startswith(message), caught.value
    assert rpc.call("session.export", session=name, format="safetensors") == before


ROWS = ["reduction", "weight", "class_weight", "from_logits", "axis"]
TYPES = {
    "cross_entropy": [*ROWS, "label_smoothing", "ignore_index"],
    "categorical_crossentropy": [*ROWS, "label_smoothing"],
    "sparse_categorical_crossentropy": [*ROWS, "ignore_index"],
    "binary_cross_entropy_with_logits": ["reduction", "weight", "pos_weight", "label_smoothing"],
    "binary_crossentropy": ["reduction", "weight", "pos_weight", "from_logits"],
    "mse": ["reduction"],
    "l1": ["reduction", "delta"],
    "smooth_l1": ["reduction", "beta"],
    "huber": ["reduction", "delta"],
}
OPTIONS = {
    "reduction": ["mean", "sum", "sum_over_batch_size", "mean_with_sample_weight", "weighted_mean",
                  "sum_of_means", 3],
    "label_smoothing": [0, 0.1, 1, -1],
    "weight": [None, [1, 2, 3], [0, 0, 0], np.ones(3), np.ones(4), 2.5, []],
    "class_weight": [None, [1, 0, 1e300], np.arange(3)],
    "pos_weight": [None, 3, [1, 2, 3]],
    "from_logits": [True, False],
    "ignore_index": [-100, 0, None, 2**40],
    "axis": [1, -1, 0],
    "delta": [1, 1e-300, 1e300, 0],
    "beta": [0, 1],
}
METRICS = [None, None, None, ["accuracy"], ["top_k", {"type": "top_k", "k": 1}], ["mae"], ["mse", "mae"], {}]


def random_target(random):
    """Labels or values, mostly of the right shape."""
    rows = random.choice([len(X), len(X), len(X), 3])
    labels = random.integers(-1 if random.random() < 0.1 else 0, CLASSES, rows)
    return [labels, labels.astype("u1"), random.random((rows, CLASSES)).astype("f4"),
            random.normal(0, 1e3, (rows, CLASSES)), labels * 0 - 100][random.integers(5)]


def test_random_configurations_answer_or_refuse_and_never_harm_the_daemon(rpc, name):
    random = np.random.default_rng(20)
    outcomes = {"created": 0, "trained": 0, "refused": 0}
    for _ in range(1500):
        kind = list(TYPES)[random.integers(len(TYPES))]
        loss = {"type": kind}
        for option in TYPES[kind]:
            if random.random() < 0.4:
                loss[option] = OPTIONS[option][random.integers(len(OPTIONS[option]))]
        fields = classifier(
            loss=loss, metrics=METRICS[random.integers(len(METRICS))],
            convention=["pytorch", "keras"][random.integers(2)],
            dtype=["float32", "float64"][random.integers(2)])
        try:
            rpc.call("session.create", session=name, if_exists="replace", **fields)
            outcomes["created"] += 1
            weights = [{}, {"sample_weight": WEIGHTS}, {"sample_weight": WEIGHTS * 0}]
            answer = rpc.call("train", session=name, x=X, target=random_target(random),
                              **weights[random.integers(3)])
            assert np.isfinite(answer["loss"])
            outcomes["trained"] += 1
        except RpcError as error:
            assert error.code in ("BAD_ARGUMENT", "BAD_SHAPE", "NOT_FINITE"), error
            outcomes["refused"] += 1
    assert rpc.call("ping") == "pong"
    assert min(outcomes.values()) >= 100, outcomes
