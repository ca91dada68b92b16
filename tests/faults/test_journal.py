# SPDX-License-Identifier: Apache-2.0
"""The daemon's journal alone, on disks that fail and after power cuts, both at once as well."""

import shutil
import subprocess
from pathlib import Path

import control
import cuts
import pytest
import recording
from control import FAIL, NAME, SHORT, SPACE, SYNC, WRITE, Control
from disk import Disk, differences
from harness.scale import scaled

PROGRAM = control.BUILD / "tests" / "journal_writer"
SECOND = 1_000_000_000
CUTS = scaled(60, 20)

# Numbers, and the milliseconds between two groups: everysec is to see some seconds.
RUNS = {"always": ("600", "0"), "everysec": ("1000", "10"), "no": ("600", "0")}


def write(folder: Path, fsync: str, faults=()):
    """Runs the writer on a disk with faults; gives the disk and what was acknowledged when."""
    directory, log = folder / "store", folder / "log"
    directory.mkdir()
    page = Control(folder / "control")
    for rule, (ops, action, share) in enumerate(faults):
        # Not the very first calls: a journal that cannot be opened is refused, which is right.
        page.set(rule, ops, action, probability=share, seed=rule, skip=20)
    out = subprocess.run(
        [PROGRAM, "write", directory, fsync, *RUNS[fsync]], check=True, stdout=subprocess.PIPE,
        text=True, env=control.environment(directory, log, page),
    ).stdout
    assert all(page.hits(rule) > 0 for rule in range(len(faults)))
    disk = Disk(recording.read(log))
    assert differences(disk, directory) == []
    return disk, [tuple(int(word) for word in line.split()) for line in out.splitlines()]


def check(directory: Path):
    """The last number, or None and the reason."""
    found = subprocess.run([PROGRAM, "check", directory], capture_output=True, text=True)
    return (int(found.stdout), "") if found.returncode == 0 else (None, found.stderr)


def promised(disk, acknowledged, fsync, cut):
    """The number up to which all must be there."""
    moment = cuts.time_of(disk.ops, cut)
    if fsync == "no":
        return 0
    if fsync == "everysec":
        moment -= SECOND + SECOND // 2 + cuts.slowest_sync(disk.ops, moment)
    return max((number for number, time in acknowledged if time < moment), default=0)


def complaints(folder: Path, fsync: str, disk, acknowledged, seed=5):
    """What is wrong after many cuts."""
    found = []
    written = acknowledged[-1][0]
    for cut in cuts.choose(disk.ops, CUTS, seed):
        target = folder / "cut"
        disk.write(cut, target)
        last, why = check(target)
        least = promised(disk, acknowledged, fsync, cut)
        if last is None or not least <= last <= written + 4:
            found.append(f"{cut}: {least} was promised, {last} is the last; {why}")
        shutil.rmtree(target)
    return found


@pytest.mark.parametrize("fsync", RUNS)
def test_a_power_cut_loses_only_what_the_mode_allows(tmp_path, fsync):
    disk, acknowledged = write(tmp_path, fsync)
    assert complaints(tmp_path, fsync, disk, acknowledged) == []


FAULTS = {
    "writes fail": [(WRITE, FAIL, 0.1)],
    "writes are short": [(WRITE, SHORT, 0.3)],
    "writes are short and fail": [(WRITE, SHORT, 0.3), (WRITE, FAIL, 0.2)],
    "nothing can be cut or named": [(WRITE, FAIL, 0.05), (SPACE | NAME, FAIL, 0.5)],
}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("fsync", ["always", "no"])
def test_failing_writes_lose_nothing_not_even_with_a_power_cut(tmp_path, fsync, faults):
    disk, acknowledged = write(tmp_path, fsync, FAULTS[faults])
    assert check(tmp_path / "store") == (acknowledged[-1][0], "")
    assert complaints(tmp_path, fsync, disk, acknowledged) == []


SYNC_FAULTS = {
    "syncs fail": [(SYNC, FAIL, 0.2)],
    "all fails": [(SYNC, FAIL, 0.1), (WRITE, SHORT, 0.2), (WRITE, FAIL, 0.1), (SPACE | NAME, FAIL, 0.1)],
}


@pytest.mark.parametrize("faults", SYNC_FAULTS)
def test_what_always_acknowledged_is_there_after_failing_syncs_and_a_power_cut(tmp_path, faults):
    disk, acknowledged = write(tmp_path, "always", SYNC_FAULTS[faults])
    assert check(tmp_path / "store") == (acknowledged[-1][0], "")
    assert complaints(tmp_path, "always", disk, acknowledged) == []


@pytest.mark.parametrize("fsync", ["everysec", "no"])
def test_failing_syncs_and_a_power_cut_leave_a_prefix_or_a_journal_that_is_refused(tmp_path, fsync):
    # What the kernel dropped after a failed sync is lost until a checkpoint brings it to the base.
    # Where records of a later segment lie behind the gap, going on without asking would lose them.
    disk, acknowledged = write(tmp_path, fsync, [(SYNC, FAIL, 0.4), (WRITE, FAIL, 0.05)])
    assert check(tmp_path / "store") == (acknowledged[-1][0], "")
    for complaint in complaints(tmp_path, "no", disk, acknowledged):
        assert "None is the last; journal/" in complaint and "to go on" in complaint, complaint
