# SPDX-License-Identifier: Apache-2.0
"""The clients over connections that end at any byte: everything is done, and done once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness.cutting_proxy import CuttingProxy
from harness.daemon import BUILD
from harness.scale import scaled
from models import batch, classifier

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

import normd  # noqa: E402

NORMCTL = BUILD / "bin" / "normctl"
# A batch of `models.batch` and its answer are about 600 bytes: a connection lives for some of them.
MEAN_BYTES = 3000


@pytest.fixture
def proxy(daemon):
    with CuttingProxy(("127.0.0.1", daemon.port), MEAN_BYTES, seed=1) as running:
        yield running


def connect(proxy, **options):
    return normd.connect(port=proxy.port, wait=True, **options)


def assert_same_session(daemon, one, other):
    with normd.connect(port=daemon.port) as client:
        first, second = (client.describe(name) for name in (one, other))
        assert first["version"] == second["version"] and first["steps"] == second["steps"]
        for optimizer in (True, False):
            files = [client.export(name, optimizer=optimizer).data for name in (one, other)]
            assert files[0].replace(one.encode(), other.encode()) == files[1]


def twin(daemon, name):
    """The same session, once with a plain connection's help and once for the test."""
    with normd.connect(port=daemon.port) as client:
        for each in (f"{name}-a", f"{name}-b"):
            client.create(each, **classifier())
    return f"{name}-a", f"{name}-b"


def test_reads_get_their_answers_over_connections_that_end_anywhere(daemon, proxy, name):
    with normd.connect(port=daemon.port) as client:
        session = client.create(name, **classifier())
        x, _ = batch(0)
        expected = session.infer(x).y
    with connect(proxy) as client:
        for _ in range(scaled(100, 40)):
            np.testing.assert_array_equal(client.infer(name, x).y, expected)
        with client.pipeline() as pipeline:
            futures = [pipeline.infer(name, x) for _ in range(scaled(100, 40))]
        for future in futures:
            np.testing.assert_array_equal(future.result().y, expected)
    assert proxy.cuts > 0


def test_what_normctl_reads_comes_over_connections_that_end_anywhere(daemon, proxy, name, tmp_path):
    with normd.connect(port=daemon.port) as client:
        session = client.create(name, **classifier())
        x = np.concatenate([batch(n)[0] for n in range(scaled(60, 30))])
        expected = session.infer(x).y
    np.save(tmp_path / "x.npy", x)
    run_normctl(
        proxy, "infer", name, "--x", tmp_path / "x.npy", "--out", tmp_path / "y.npy",
        "--batch", "16", "--pipeline", "8",
    )
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def run_normctl(proxy, *words):
    command = [NORMCTL, "--wait", "--port", str(proxy.port), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pipelined", [False, True])
def test_training_over_connections_that_end_anywhere_gives_the_same_bits(
    daemon, proxy, name, pipelined
):
    calm, cut = twin(daemon, name)
    batches = [batch(n) for n in range(scaled(100, 40))]
    with normd.connect(port=daemon.port) as client:
        expected = [client.train(calm, *each) for each in batches]
    with connect(proxy) as client:
        if pipelined:
            with client.pipeline() as pipeline:
                futures = [pipeline.train(cut, *each) for each in batches]
            got = [future.result() for future in futures]
        else:
            got = [client.train(cut, *each) for each in batches]
    assert got == expected and proxy.cuts > 0
    assert_same_session(daemon, calm, cut)


def test_forward_and_backward_are_answered_again_over_another_connection(daemon, proxy, name):
    calm, cut = twin(daemon, name)
    results = {}
    for session, port in ((calm, daemon.port), (cut, proxy.port)):
        arrays = results[session] = []
        with normd.connect(port=port, wait=True) as client:
            for n in range(scaled(50, 10)):
                x, _ = batch(n)
                forward = client.forward(session, x)
                arrays += [forward.y, client.backward(session, forward.step, forward.y).dx]
    for expected, got in zip(results[calm], results[cut]):
        np.testing.assert_array_equal(got, expected)
    assert_same_session(daemon, calm, cut)


def test_sessions_come_and_go_once_each(daemon, proxy, name):
    with connect(proxy) as client:
        for n in range(scaled(30, 10)):
            session = client.create(f"{name}-{n}", **classifier())
            # Applied twice it would be SESSION_EXISTS, and NO_SUCH_SESSION.
            assert session.description["created"]
            assert session.copy(f"{name}-{n}-copy").delete()
            assert session.delete()


def test_normctl_trains_the_same_bits_over_connections_that_end_anywhere(
    daemon, proxy, name, tmp_path
):
    calm, cut = twin(daemon, name)
    pairs = [batch(n) for n in range(scaled(60, 30))]
    np.save(tmp_path / "x.npy", np.concatenate([x for x, _ in pairs]))
    np.save(tmp_path / "y.npy", np.concatenate([y for _, y in pairs]))
    words = ["--x", tmp_path / "x.npy", "--y", tmp_path / "y.npy", "--batch", "16", "--shuffle"]
    run_normctl(daemon, "train", calm, *words, "--pipeline", "1")
    run_normctl(proxy, "train", cut, *words, "--pipeline", "8")
    assert proxy.cuts > 0
    assert_same_session(daemon, calm, cut)
