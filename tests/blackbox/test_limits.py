# SPDX-License-Identifier: Apache-2.0
"""A few bytes of request can ask for much memory: over the daemon's limits it is refused, not tried."""

import numpy as np
import pytest
from harness.daemon import Daemon
from harness.rpc import RpcError
from models import norm_only

OUT = 65536


def column(rows):
    """A batch of one feature."""
    return np.ones((rows, 1), "f4")


def refuses(rpc, match, method, **params):
    """The call is refused for its size, by name."""
    with pytest.raises(RpcError, match=f"^TOO_LARGE {match}"):
        rpc.call(method, **params)
    assert rpc.call("ping") == "pong"


@pytest.fixture(scope="module")
def small():
    """A daemon that allows little."""
    limits = {"message": "1M", "work": "4M", "session": "16M"}
    running = Daemon(*(word for key, size in limits.items() for word in (f"--max-{key}-bytes", size)))
    yield running
    running.stop()


@pytest.fixture
def tight(small):
    """A connection to it."""
    with small.connect() as connection:
        yield connection


def test_an_output_over_the_limit_of_messages_is_refused(tight, name):
    """Four rows give exactly the mebibyte that is allowed."""
    tight.call("session.create", session=name, layers=[{"type": "linear", "in": 1, "out": OUT}])
    before = tight.call("session.export", session=name, format="safetensors")
    expected = "x: expected a batch whose output is at most 1048576 bytes, got 1310720; send fewer"
    refuses(tight, expected, "infer", session=name, x=column(5))
    refuses(tight, expected, "forward", session=name, x=column(5))
    assert tight.call("session.export", session=name, format="safetensors") == before
    assert tight.call("infer", session=name, x=column(4))["y"].shape == (4, OUT)
    assert tight.call("forward", session=name, x=column(4))["step"] == 1


def test_a_gradient_over_the_limit_of_messages_is_refused_and_its_step_stays(tight, name):
    """x comes in half precision, dx leaves in the session's."""
    tight.call("session.create", session=name, layers=[{"type": "linear", "in": OUT, "out": 1}])
    step = tight.call("forward", session=name, x=np.ones((6, OUT), "f2"))["step"]
    for _ in range(2):
        refuses(tight, "step: .* dx is at most 1048576 bytes, got 1572864", "backward",
            session=name, step=step, dy=column(6))


def test_work_over_its_limit_is_refused(tight, name):
    """The batch and its output are small; what is between them is not."""
    layers = [{"type": "linear", "in": 1, "out": OUT}, {"type": "linear", "out": 1}]
    tight.call("session.create", session=name, layers=layers, loss="mse")
    before = tight.call("session.export", session=name, format="safetensors")
    refuses(tight, "x: .* at most 4194304 bytes", "infer", session=name, x=column(16))
    refuses(tight, "x: .* at most 4194304 bytes", "forward", session=name, x=column(16))
    for method in ("train", "evaluate"):
        refuses(tight, "x: .* at most 4194304 bytes", method,
            session=name, x=column(16), target=column(16))
    assert tight.call("session.export", session=name, format="safetensors") == before
    assert tight.call("train", session=name, x=column(4), target=column(4))["steps"] == 1


def test_a_session_over_its_limit_is_refused(tight, name):
    """Also one for which no memory could be had."""
    for size in (2048, 2**31 - 1):
        layer = {"type": "linear", "in": size, "out": size}
        refuses(tight, "layers", "session.create", session=name, layers=[layer])
    norms = [{"type": "batch_norm", "features": 2**30}] * 1024
    refuses(tight, "layers", "session.create", session=name, layers=norms)
    assert name not in tight.call("session.list")["sessions"]


def test_statistics_and_files_over_the_limit_of_messages_are_refused(tight, name):
    """Two layers are too much at once, one is not."""
    norms = [{"type": "batch_norm", "features": 50000}, {"type": "batch_norm"}]
    tight.call("session.create", session=name, layers=norms)
    refuses(tight, "layer: .* at most 1048576 bytes, got 1600000; ask for one layer", "stats",
        session=name)
    layer = tight.call("stats", session=name, layer=1)["layers"][0]
    assert layer["running_var"].shape == (50000,)
    refuses(tight, "data: expected a file of at most 1048576 bytes, got 160", "session.export",
        session=name, format="safetensors")


def test_what_no_answer_can_hold_is_refused_by_default(rpc, name):
    """Four gibibytes wrap around in the header of a bin; 512 are more than there is."""
    layer = {"type": "linear", "in": 1, "out": 1 << 20, "weight_init": "ones", "bias": False}
    rpc.call("session.create", session=name, layers=[layer], loss="mse")
    for rows in (1024, 131072):
        refuses(rpc, "x", "infer", session=name, x=column(rows))
        refuses(rpc, "x", "forward", session=name, x=column(rows))
    assert rpc.call("infer", session=name, x=column(1))["y"].sum() == 1 << 20


def test_limits_that_are_no_sizes_are_refused():
    """As all options are."""
    for option in ("--max-work-bytes", "--max-session-bytes"):
        with pytest.raises(RuntimeError, match=f"{option[2:]}: expected at least 1024 bytes"):
            Daemon(option, "12")


def test_a_small_session_is_not_in_the_way_of_limits(tight, name):
    """The usual requests go on."""
    tight.call("session.create", session=name, **norm_only())
    x = np.arange(12, dtype="f4").reshape(3, 4)
    step = tight.call("forward", session=name, x=x)["step"]
    assert tight.call("backward", session=name, step=step, dy=x)["dx"].shape == (3, 4)
