# SPDX-License-Identifier: Apache-2.0
"""The store alone, with `always`: after every power cut it opens and has all that was acknowledged."""

import shutil
import subprocess
from pathlib import Path

import control
import cuts
import recording
from disk import Disk, differences

CUTS = 240
STORE = control.BUILD / "tests" / "toy_store"


def record(folder: Path, directory: Path, count: int):
    """Appends and makes checkpoints in `directory`; gives its disk and what was acknowledged."""
    log = folder / "log"
    initial = folder / "initial"
    shutil.copytree(directory, initial)
    out = subprocess.run(
        [STORE, "write", directory, str(count)], check=True, stdout=subprocess.PIPE, text=True,
        env=control.environment(directory, log),
    ).stdout
    disk = Disk(recording.read(log), initial)
    assert [name for name in differences(disk, directory) if name != "lock"] == []
    return disk, [tuple(int(word) for word in line.split()) for line in out.splitlines()]


def complaints(folder: Path, disk: Disk, acknowledged, before: int):
    """What is wrong after many cuts; `before` was acknowledged before the recording began."""
    found = []
    for number, cut in enumerate(cuts.choose(disk.ops, CUTS, seed=3)):
        target = folder / f"cut-{number}"
        disk.write(cut, target)
        moment = cuts.time_of(disk.ops, cut)
        promised = max((n for n, time in acknowledged if time < moment), default=before)
        check = subprocess.run([STORE, "check", target], stdout=subprocess.PIPE, text=True)
        whole = check.returncode == 0 and int(check.stdout) >= promised
        found += [] if whole else [f"{cut}: {promised} was acknowledged: {check.stdout}"]
        shutil.rmtree(target)
    return found


def test_a_new_store_survives_every_cut_from_its_making_on(tmp_path):
    directory = tmp_path / "store"
    directory.mkdir()
    disk, acknowledged = record(tmp_path, directory, 30)
    assert complaints(tmp_path, disk, acknowledged, 0) == []


def test_a_store_that_was_used_before_survives_every_cut_from_its_opening_on(tmp_path):
    directory = tmp_path / "store"
    subprocess.run([STORE, "write", directory, "63"], check=True, stdout=subprocess.DEVNULL)
    disk, acknowledged = record(tmp_path, directory, 40)
    assert complaints(tmp_path, disk, acknowledged, 63) == []
