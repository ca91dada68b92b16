# SPDX-License-Identifier: Apache-2.0
"""Copies of a data directory, checks of one, and the files that normctl writes."""

import json
import os
import re
import resource
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from harness.daemon import Daemon
from harness.store import NORMCTL, check, files_of, kill, run
from models import batch, classifier, norm_only

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

import normd  # noqa: E402


def normctl(daemon, *words, **options):
    return run(NORMCTL, "--port", daemon.port, *words, **options)


def train(rpc, session, steps):
    """That many steps; the version after them."""
    for seed in range(steps):
        x, target = batch(seed)
        version = rpc.call("train", session=session, x=x, target=target)["version"]
    return version


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def running(store):
    """A daemon on a new store, with the session s after three steps."""
    with Daemon("--data-dir", str(store)) as daemon:
        with daemon.connect() as rpc:
            rpc.call("session.create", session="s", **classifier())
            train(rpc, "s", 3)
        yield daemon


def test_a_copy_made_while_training_is_a_store_of_its_own(running, store):
    stop = threading.Event()

    def train_on():
        with running.connect() as rpc:
            while not stop.is_set():
                train(rpc, "s", 1)

    trainer = threading.Thread(target=train_on)
    trainer.start()
    try:
        done = normctl(running, "save", "first")
    finally:
        stop.set()
        trainer.join()
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    copy = store.resolve() / "saves" / "first"
    assert lines["name"] == "first" and lines["path"] == str(copy)
    assert int(lines["bytes"]) == sum(path.stat().st_size for path in copy.rglob("*.mdb"))
    assert check(copy).returncode == 0
    with Daemon("--data-dir", str(copy)) as restored, restored.connect() as rpc:
        with running.connect() as old:
            version = rpc.call("session.describe", session="s")["version"]
            assert 3 <= version <= old.call("session.describe", session="s")["version"]
        assert train(rpc, "s", 1) == version + 1


def test_the_name_of_a_copy_is_the_time_unless_it_is_given_and_never_taken_twice(running, store):
    done = normctl(running, "--json", "save")
    answer = json.loads(done.stdout)
    assert sorted(answer) == ["bytes", "name", "path"]
    assert answer["name"] == Path(answer["path"]).name and Path(answer["path"]).is_dir()
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z", answer["name"])
    # Within the same second, as likely as not, and with another name that sorts behind.
    for _ in range(3):
        next_one = json.loads(normctl(running, "--json", "save").stdout)
        assert next_one["name"] > answer["name"]
        answer = next_one
    again = normctl(running, "save", answer["name"])
    assert again.returncode == 1 and "BAD_ARGUMENT" in again.stderr
    with normd.connect(port=running.port) as client:
        saved = client.save("of-python")
        assert saved.path == str(store.resolve() / "saves" / "of-python") and saved.bytes > 0
        assert client.info().store["checkpoints"] >= 2
        with pytest.raises(normd.BadArgument, match="of-python"):
            client.save("of-python")
        with pytest.raises(normd.BadArgument, match="name"):
            client.save("../elsewhere")


def test_a_daemon_in_memory_says_that_it_has_nothing_to_save():
    with Daemon() as daemon:
        done = normctl(daemon, "save")
        assert done.returncode == 1 and "--data-dir" in done.stderr


def test_info_shows_the_figures_of_the_store(running):
    shown = normctl(running, "info").stdout
    for figure in ("fsync=everysec", "commits=4", "journal_bytes=", "recovery_seconds="):
        assert figure in shown
    with normd.connect(port=running.port) as client:
        assert client.info().store["commits"] == 4 and client.info().clients >= 0
        assert client.info().client_bytes >= 0


# ---- Checks ----


def kill_in_the_middle(store):
    """A store as a crash leaves it: base, journal, kept steps, clients, and a torn tail."""
    with Daemon("--data-dir", str(store)) as daemon, daemon.connect() as rpc:
        rpc.call("session.create", session="s", client="c", seq=1, **classifier())
        train(rpc, "s", 3)
    daemon = Daemon("--data-dir", str(store), "--fsync", "no")
    with daemon.connect() as rpc:
        rpc.call("session.create", session="norm", **norm_only())
        rpc.call("forward", session="norm", x=np.ones((4, 4), "f4"), client="c", seq=2)
        version = train(rpc, "s", 2)
    kill(daemon)
    last = sorted((store / "journal").iterdir())[-1]
    os.truncate(last, last.stat().st_size - 5)
    return version, last


def test_a_check_says_what_is_there_and_changes_nothing(store):
    version, last = kill_in_the_middle(store)
    before = files_of(store)
    done = run(NORMCTL, "check", store)
    assert done.returncode == 0, done.stderr
    assert files_of(store) == before
    # The cut record was the last step of s.
    assert f"session s: version {version - 1}, {version - 1} optimizer steps, " in done.stdout
    assert "session norm: version 1, 0 optimizer steps, " in done.stdout
    assert ", 1 forward steps kept\n" in done.stdout
    assert "clients: 1, with the answers to 2 mutations\n" in done.stdout
    assert "bytes at its end were never written whole" in done.stdout
    assert "the next start cuts them off" in done.stdout
    assert "whole: every checksum is right, and 2 sessions come back" in done.stdout
    assert f"journal/{last.name}: offset " in done.stderr and "leaving out" in done.stderr
    # The start does what the check said.
    with Daemon("--data-dir", str(store)) as daemon, daemon.connect() as rpc:
        assert rpc.call("session.describe", session="s")["version"] == version - 1
        assert any("never written whole" in line for line in daemon.log)


def test_a_check_of_a_damaged_store_changes_nothing_either(store):
    kill_in_the_middle(store)
    path = store / "base" / "data.mdb"
    os.truncate(path, path.stat().st_size // 2)
    before = files_of(store)
    done = run(NORMCTL, "check", store)
    assert done.returncode == 1 and files_of(store) == before
    assert str(path) in done.stderr and f"nothing was changed in {store}" in done.stderr


def test_a_check_works_on_a_copy_without_a_lock_file_and_changes_nothing(running, store):
    normctl(running, "save", "copy")
    copy = store / "saves" / "copy"
    before = files_of(copy)
    assert not (copy / "lock").exists()
    assert run(NORMCTL, "check", copy).returncode == 0
    assert files_of(copy) == before


def test_a_directory_that_a_daemon_has_is_not_checked(running, store):
    done = run(NORMCTL, "check", store)
    assert done.returncode == 1 and done.stdout == ""
    assert f"in use by another normd (process {running.process.pid})" in done.stderr
    assert "stop it first" in done.stderr


def test_what_is_no_store_is_refused_and_stays_as_it_is(tmp_path):
    done = run(NORMCTL, "check", tmp_path / "none")
    assert done.returncode == 1 and "No such file" in done.stderr
    (tmp_path / "letter").write_text("dear", encoding="ascii")
    before = files_of(tmp_path)
    done = run(NORMCTL, "check", tmp_path)
    assert done.returncode == 1 and "\"letter\"" in done.stderr and files_of(tmp_path) == before


def test_the_normd_beside_normctl_is_taken_then_that_in_the_path(tmp_path):
    alone = tmp_path / "bin" / "normctl"
    alone.parent.mkdir()
    shutil.copy(NORMCTL, alone)
    empty = {**os.environ, "PATH": str(tmp_path)}
    done = run(alone, "check", "somewhere", env=empty)
    assert done.returncode == 2 and "normd beside normctl or in PATH" in done.stderr

    def program(path, code):
        path.write_text(f"#!/bin/sh\necho \"$@\"\nexit {code}\n", encoding="ascii")
        path.chmod(0o755)

    program(tmp_path / "normd", 1)
    done = run(alone, "check", "some where", env=empty)
    assert (done.returncode, done.stdout) == (1, "--check some where\n")
    program(alone.parent / "normd", 7)
    done = run(alone, "check", "d", "--accept-numerics", env=empty)
    assert (done.returncode, done.stdout) == (7, "--check d --accept-numerics yes\n")


# ---- Files that normctl writes ----


def test_an_export_onto_a_full_disk_leaves_the_old_file_and_nothing_beside_it(running, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "model.safetensors"
    assert normctl(running, "export", "s", path).returncode == 0
    old = path.read_bytes()
    done = normctl(
        running, "export", "s", path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )
    assert done.returncode == 2 and "File too large" in done.stderr
    assert path.read_bytes() == old and os.listdir(folder) == [path.name]
