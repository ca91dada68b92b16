# SPDX-License-Identifier: Apache-2.0
"""The preload library makes the faults that its rules say, and only those."""

import errno
import json
import os
import subprocess
import sys

import control
import pytest
import recording
from disk import Disk, differences

# Runs the calls that it reads, one a line, and prints what each gave: a number, or an error's name.
PROGRAM = """
import errno, json, os, sys, time
fds = {}
def run(what, name, *rest):
    if what == "open":
        fds[name] = os.open(name, os.O_RDWR | os.O_CREAT | (rest[0] if rest else 0), 0o600)
        return 0
    if what in ("mkdir", "rename", "unlink", "rmdir", "link"):
        return getattr(os, what)(name, *rest) or 0
    calls = {
        "write": lambda f, n: os.write(f, b"x" * n),
        "pwrite": lambda f, n, at: os.pwrite(f, b"y" * n, at),
        "writev": lambda f, n: os.writev(f, [b"a" * n, b"b" * n]),
        "pwritev": lambda f, n, at: os.pwritev(f, [b"c" * n, b"d" * n], at),
        "seek": lambda f, at: os.lseek(f, at, 0),
        "size": lambda f: os.fstat(f).st_size,
    }
    if what in calls:
        return calls[what](fds[name], *rest)
    return getattr(os, what)(fds[name], *rest) or 0
for line in sys.stdin:
    begin = time.monotonic()
    try:
        answer = run(*json.loads(line))
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(json.dumps([answer, time.monotonic() - begin]), flush=True)
"""


class Program:
    """The program above, in a directory that is watched."""

    def __init__(self, folder):
        self.page = control.Control(folder / "control")
        self.log = folder / "log"
        (folder / "store").mkdir()
        self.folder = folder / "store"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=self.folder,
            env=control.environment(self.folder, self.log, self.page),
        )

    def __call__(self, *call):
        return self.timed(*call)[0]

    def timed(self, *call):
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.communicate()
        assert self.process.returncode == 0


@pytest.fixture
def run(tmp_path):
    program = Program(tmp_path)
    yield program
    program.end()


def test_without_rules_every_call_does_what_it_says(run):
    assert [run("open", "f"), run("write", "f", 10), run("fsync", "f")] == [0, 10, 0]
    assert [run("writev", "f", 4), run("pwritev", "f", 3, 2), run("ftruncate", "f", 7)] == [8, 6, 0]
    assert (run.folder / "f").read_bytes() == b"xxcccdd"


def test_the_nth_calls_fail_with_their_error(run):
    run("open", "f")
    run.page.set(0, control.WRITE, control.FAIL, error=errno.ENOSPC, skip=2, count=3)
    answers = [run("write", "f", 1) for _ in range(7)]
    assert answers == [1, 1, "ENOSPC", "ENOSPC", "ENOSPC", 1, 1]
    assert (run.page.seen(0), run.page.hits(0)) == (7, 3)
    assert run("size", "f") == 4


@pytest.mark.parametrize("call", [("write", "f", 9), ("writev", "f", 5), ("pwrite", "f", 9, 4)])
def test_a_short_write_writes_half(run, call):
    run("open", "f")
    run.page.set(0, control.WRITE, control.SHORT, count=1)
    whole = {"write": 9, "writev": 10, "pwrite": 9}[call[0]]
    assert [run(*call), run(*call)] == [whole // 2, whole]


def test_failed_syncs_touch_no_writes(run):
    run("open", "f")
    run.page.set(0, control.SYNC, control.FAIL)
    assert [run("write", "f", 5), run("fsync", "f"), run("fdatasync", "f")] == [5, "EIO", "EIO"]
    run.page.lift()
    assert [run("fsync", "f"), run("fdatasync", "f")] == [0, 0]


def test_a_write_through_a_synced_descriptor_fails_as_a_sync_does(run):
    run("open", "f", os.O_DSYNC)
    run("open", "g")
    run.page.set(0, control.SYNC, control.FAIL)
    assert [run("write", "f", 5), run("write", "g", 5)] == ["EIO", 5]


def test_a_full_disk_refuses_what_grows_and_lets_all_else(run):
    run("open", "f")
    run("write", "f", 100)
    run.page.set(0, control.WRITE | control.SPACE | control.NAME, control.FULL, room=10)
    assert [run("write", "f", 8), run("write", "f", 8), run("write", "f", 8)] == [8, 2, "ENOSPC"]
    assert [run("pwrite", "f", 50, 0), run("posix_fallocate", "f", 0, 110)] == [50, 0]
    assert [run("posix_fallocate", "f", 0, 111), run("mkdir", "d")] == ["ENOSPC", "ENOSPC"]
    assert [run("open", "g"), run("open", "f"), run("unlink", "f")] == ["ENOSPC", 0, 0]
    run.page.lift()
    assert [run("mkdir", "d"), run("open", "g"), run("write", "g", 1)] == [0, 0, 1]


def test_a_delayed_call_waits_and_is_done(run):
    run("open", "f")
    run.page.set(0, control.SYNC, control.DELAY, delay_ms=50, count=1)
    answer, seconds = run.timed("fsync", "f")
    assert answer == 0 and seconds >= 0.05


def test_a_probability_hits_its_share_and_the_same_calls_for_the_same_seed(run):
    run("open", "f")
    rounds = []
    for seed in (1, 1, 2):
        run.page.set(0, control.WRITE, control.FAIL, probability=0.25, seed=seed)
        rounds.append([run("pwrite", "f", 1, 0) for _ in range(400)])
        assert run.page.hits(0) == rounds[-1].count("EIO")
    # The seeds are fixed, so this is no matter of luck: 100 are expected, with a deviation of 9.
    assert rounds[0] == rounds[1] != rounds[2]
    assert all(60 < answers.count("EIO") < 140 for answers in rounds)


def test_a_rule_is_about_the_paths_it_names(run):
    run("mkdir", "a")
    run("open", "a/f")
    run("open", "g")
    run.page.set(0, control.WRITE, control.FAIL, match="a/")
    assert [run("write", "a/f", 1), run("write", "g", 1)] == ["EIO", 1]


def test_names_fail_too(run):
    run("open", "f")
    run.page.set(0, control.NAME, control.FAIL, error=errno.EROFS)
    calls = [("rename", "f", "g"), ("unlink", "f"), ("mkdir", "d"), ("open", "h"), ("link", "f", "l")]
    assert [run(*call) for call in calls] == ["EROFS"] * len(calls)
    assert sorted(os.listdir(run.folder)) == ["f"]


def test_files_elsewhere_are_left_alone(run, tmp_path):
    run.page.set(0, control.WRITE, control.FAIL)
    assert [run("open", str(tmp_path / "f")), run("write", str(tmp_path / "f"), 3)] == [0, 3]


def test_the_log_has_every_call_in_order(run):
    run("mkdir", "d")
    run("open", "d/f", os.O_APPEND)
    run("write", "d/f", 3)
    run("writev", "d/f", 2)
    run("rename", "d/f", "g")
    run("fdatasync", "d/f")
    run("ftruncate", "d/f", 1)
    run("unlink", "g")
    run("rmdir", "d")
    ops = recording.read(run.log)
    assert [(op.kind, op.path) for op in ops] == [
        (recording.MKDIR, "d"), (recording.OPEN, "d/f"), (recording.WRITTEN, ""),
        (recording.WRITTEN, ""), (recording.RENAMED, "d/f\0g"), (recording.SYNC_BEGIN, ""),
        (recording.SYNC_END, ""), (recording.TRUNCATED, ""), (recording.REMOVED, "g"),
        (recording.RMDIR, "d"),
    ]
    assert [(op.value, op.data) for op in ops[2:4]] == [(0, b"xxx"), (3, b"aabb")]
    assert all(a.time <= b.time for a, b in zip(ops, ops[1:]))


def test_calls_of_many_threads_do_not_mix(tmp_path):
    page = control.Control(tmp_path / "control")
    page.set(0, control.WRITE, control.SHORT, probability=0.3)
    program = (
        "import os, threading\n"
        "def run(i):\n"
        "    f = os.open(f'f{i % 3}', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "    for n in range(300):\n"
        "        os.write(f, bytes([i]) * (n % 97 + 1))\n"
        "        n % 50 or os.fsync(f)\n"
        "ts = [threading.Thread(target=run, args=[i]) for i in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]\n"
    )
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=store,
        env=control.environment(store, tmp_path / "log", page),
    )
    disk = Disk(recording.read(tmp_path / "log"))
    assert page.hits(0) > 100
    assert differences(disk, store) == []
