# SPDX-License-Identifier: Apache-2.0
"""Stopping: no new work, running work finished and answered, exit 0; and starting wrongly."""

import os
import signal
import subprocess
import threading

import numpy as np
import pytest
from harness.daemon import DEADLINE_SECONDS, PROGRAM, Daemon
from models import batch, classifier, norm_only

CONNECTIONS = 4
REQUESTS = 3000


def read_to_the_end(rpc):
    """Every message until the daemon closes."""
    messages = []
    try:
        while True:
            messages.append(rpc.receive())
    except (EOFError, ConnectionResetError):
        return messages


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_every_request_that_was_accepted_before_a_stop_is_answered(number):
    with Daemon() as daemon:
        connections = [daemon.connect() for _ in range(CONNECTIONS)]
        connections[0].call("session.create", session="s", **classifier())
        x, target = batch(0, rows=16)
        for rpc in connections:
            data = b"".join(
                rpc.request("train", {"session": "s", "x": x, "target": target})
                for _ in range(REQUESTS)
            )
            threading.Thread(target=send_what_it_takes, args=(rpc, data), daemon=True).start()
        # Some answers, so that the stop comes in the middle of the work.
        first = [rpc.receive() for rpc in connections]
        daemon.process.send_signal(number)
        heard = [[early, *read_to_the_end(rpc)] for early, rpc in zip(first, connections)]
        assert daemon.wait() == 0
    for answers, rpc in zip(heard, connections):
        # Whatever was read was answered: no id is left out before the last one.
        ids = sorted(message[1] for message in answers)
        assert ids == list(range(rpc.next_id - REQUESTS, rpc.next_id - REQUESTS + len(ids)))
    messages = [message for answers in heard for message in answers]
    versions = sorted(m[3]["version"] for m in messages if m[2] is None)
    # A version that nobody was told of would be a step that was done and not answered.
    assert versions == list(range(1, len(versions) + 1))
    refused = [m[2] for m in messages if m[2] is not None]
    assert all(error.startswith("SHUTTING_DOWN ") for error in refused)


def send_what_it_takes(rpc, data):
    """Sends until the daemon closes."""
    try:
        rpc.send_raw(data)
    except OSError:
        pass


def test_a_stop_waits_for_a_large_answer_that_is_being_read():
    with Daemon() as daemon, daemon.connect() as rpc:
        rpc.call("session.create", session="s", **norm_only(256))
        rpc.send("infer", session="s", x=np.ones((65536, 256), "f4"))
        # 64 MiB do not fit into the socket's buffers: most of the answer is still to be sent.
        start = rpc.socket.recv(100)
        daemon.terminate()
        assert rpc.receive(start)[3]["y"].shape == (65536, 256)
        assert daemon.wait() == 0


def test_a_stop_does_not_wait_for_idle_or_half_sent_connections():
    with Daemon() as daemon:
        idle, half = daemon.connect(), daemon.connect()
        assert idle.call("ping") == "pong"
        half.send_raw(half.request("ping", {})[:-1])
        daemon.terminate()
        assert daemon.wait() == 0
        assert not os.path.exists(daemon.unix)


@pytest.mark.parametrize("arguments, says", [
    (["--port", "70000"], "port"),
    (["--threads", "0"], "threads"),
    (["--threads", "many"], "threads"),
    (["--instruction-set", "quantum"], "instruction-set"),
    (["--bind", "300.1.2.3"], "300.1.2.3"),
    (["--nonsense"], "nonsense"),
    (["--config", "/nonexistent/normd.conf"], "/nonexistent/normd.conf"),
    (["extra"], "extra"),
])
def test_a_wrong_option_is_named_and_nothing_starts(arguments, says):
    done = subprocess.run(
        [str(PROGRAM), "--port", "0", *arguments], capture_output=True, text=True,
        timeout=DEADLINE_SECONDS, check=False,
    )
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert says in done.stderr and "listening" not in done.stderr


def test_an_instruction_set_that_is_not_there_is_answered_with_those_that_are():
    with Daemon() as daemon, daemon.connect() as rpc:
        names = rpc.call("server.info")["instruction_sets"]
    said = f"expected auto or one that this machine has ({', '.join(names)}), got \"quantum\""
    for arguments, variable in ((["--instruction-set", "quantum"], "auto"), ([], "quantum")):
        done = subprocess.run(
            [str(PROGRAM), "--port", "0", *arguments], capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, check=False,
            env={**os.environ, "NORMD_INSTRUCTION_SET": variable},
        )
        assert done.returncode > 0 and said in done.stderr


def test_the_instruction_set_comes_from_the_environment_and_the_option_wins(monkeypatch):
    monkeypatch.setenv("NORMD_INSTRUCTION_SET", "reference")
    for arguments, chosen in ((), "reference"), (("--instruction-set", "baseline"), "baseline"):
        with Daemon(*arguments) as daemon, daemon.connect() as rpc:
            assert rpc.call("server.info")["instruction_set"] == chosen
            start = f" threads, instruction set {chosen} (of reference, baseline"
            assert any(start in line and " caches of " in line for line in daemon.log)


def test_a_port_that_is_taken_is_named_and_nothing_starts():
    with Daemon() as daemon:
        done = subprocess.run(
            [str(PROGRAM), "--port", str(daemon.port)], capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, check=False,
        )
        assert done.returncode > 0 and str(daemon.port) in done.stderr
        with daemon.connect() as rpc:
            assert rpc.call("ping") == "pong"


def test_settings_come_from_a_file_and_the_command_line_wins(tmp_path):
    path = tmp_path / "normd.conf"
    path.write_text("# a comment\nthreads 3\nmax-message-bytes 2M\n", encoding="ascii")
    with Daemon("--config", str(path), "--threads", "2") as daemon, daemon.connect() as rpc:
        info = rpc.call("server.info")
        assert info["threads"] == 2 and info["limits"]["message_bytes"] == 2 << 20
