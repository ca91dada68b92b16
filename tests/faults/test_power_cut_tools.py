# SPDX-License-Identifier: Apache-2.0
"""The power-cut tools find each mistake of a small log, and nothing in the right one."""

import subprocess
import sys
from pathlib import Path

import control
import cuts
import pytest
import recording
import toy_log
from disk import Cut, Disk, differences

CUTS = 400
LMDB = control.BUILD / "tests" / "toy_lmdb"


def record_toy(folder: Path, mistake: str = ""):
    """Runs the toy; gives its directory as a disk and what it acknowledged."""
    directory, log, acknowledged = folder / "store", folder / "log", folder / "acknowledged"
    directory.mkdir()
    program = [sys.executable, toy_log.__file__, directory, acknowledged, "200", mistake]
    subprocess.run(program, check=True, env=control.environment(directory, log))
    disk = Disk(recording.read(log))
    assert differences(disk, directory) == []
    lines = acknowledged.read_text().split("\n")[:-1]
    return disk, [tuple(int(word) for word in line.split()) for line in lines]


def judge(disk: Disk, acknowledged, cut: Cut, target: Path, checked=True):
    """What is wrong after a cut, or None."""
    disk.write(cut, target)
    moment = cuts.time_of(disk.ops, cut)
    promised = max((number for number, time in acknowledged if time < moment), default=0)
    try:
        last = toy_log.recover(target, checked)
    except ValueError as error:
        return str(error)
    return None if last >= promised else f"{promised} was acknowledged, {last} is the last"


def complaints(folder: Path, mistake: str = "", checked=True, names=("ordered", "posix")):
    """What is wrong after many cuts."""
    disk, acknowledged = record_toy(folder, mistake)
    found = []
    for number, cut in enumerate(cuts.choose(disk.ops, CUTS, seed=1)):
        if cut.names in names:
            found.append(judge(disk, acknowledged, cut, folder / f"cut-{number}", checked))
    assert len(found) >= CUTS // 2
    return [complaint for complaint in found if complaint is not None]


def test_a_right_log_survives_every_cut(tmp_path):
    assert complaints(tmp_path) == []


@pytest.mark.parametrize("mistake", toy_log.MISTAKES)
def test_each_mistake_is_found(tmp_path, mistake):
    assert complaints(tmp_path, mistake)


def test_a_file_system_that_keeps_the_order_of_names_forgives_a_missing_sync_of_a_directory(tmp_path):
    assert complaints(tmp_path, toy_log.MISTAKES[1], names=("ordered",)) == []


def test_a_recovery_that_trusts_torn_records_is_found(tmp_path):
    # The right log has at most one record unsynced, which is torn where its pages are not all there.
    assert complaints(tmp_path, checked=False)


def test_what_a_failed_sync_was_about_is_never_sure_again(tmp_path):
    directory, log = tmp_path / "store", tmp_path / "log"
    directory.mkdir()
    page = control.Control(tmp_path / "control")
    page.set(0, control.SYNC, control.FAIL, count=1)
    program = (
        "import os, sys\n"
        "f = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "os.write(f, b'old')\n"
        "try: os.fsync(f)\n"
        "except OSError: pass\n"
        "os.write(f, b'new')\n"
        "os.fsync(f)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, directory / "file"], check=True,
        env=control.environment(directory, log, page),
    )
    disk = Disk(recording.read(log))
    end = len(disk.ops)
    assert disk.after(Cut(end, "all", "ordered", 0)) == {"file": b"oldnew"}
    assert disk.after(Cut(end, "none", "ordered", 0)) == {"file": b"\0\0\0new"}
    assert disk.after(Cut(end, "none", "posix", 0)) == {}


def test_what_bypasses_the_library_is_noticed(tmp_path):
    disk, _ = record_toy(tmp_path)
    (tmp_path / "store" / "journal" / "other").write_bytes(b"x")
    assert differences(disk, tmp_path / "store") == ["journal/other"]


def lmdb_complaints(folder: Path, *flags: str, step: int):
    """What is wrong with a real LMDB after cuts: around every `step`-th call."""
    directory, log = folder / "store", folder / "log"
    directory.mkdir()
    out = subprocess.run(
        [LMDB, "write", directory, "60", *flags], check=True, stdout=subprocess.PIPE, text=True,
        env=control.environment(directory, log),
    ).stdout
    acknowledged = [tuple(int(word) for word in line.split()) for line in out.splitlines()]
    disk = Disk(recording.read(log))
    assert differences(disk, directory) == []
    # The file's first two pages and its name are on the disk before anything is promised.
    first = next(i for i, op in enumerate(disk.ops) if op.time >= acknowledged[0][1])
    found = []
    for at in range(first, len(disk.ops) + 1, step):
        cut = Cut(at, cuts.DATA[at // step % 4], "ordered", at)
        target = folder / f"cut-{at}"
        disk.write(cut, target)
        moment = cuts.time_of(disk.ops, cut)
        promised = max(number for number, time in acknowledged if time < moment)
        check = subprocess.run([LMDB, "check", target], stdout=subprocess.PIPE, text=True)
        whole = check.returncode == 0 and int(check.stdout) >= promised
        found += [] if whole else [check.stdout]
    return found


@pytest.mark.skipif(not LMDB.exists(), reason="LMDB's headers are not installed")
def test_lmdb_survives_every_cut(tmp_path):
    assert lmdb_complaints(tmp_path, step=1) == []


@pytest.mark.skipif(not LMDB.exists(), reason="LMDB's headers are not installed")
def test_lmdb_without_syncs_is_found(tmp_path):
    assert lmdb_complaints(tmp_path, "nosync", step=1)
