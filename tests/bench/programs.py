# SPDX-License-Identifier: Apache-2.0
"""The programs that take turns, and how much others disturbed each of their measurements."""

import os
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
# PyTorch allocates each result anew. "kept" makes the C library keep freed memory, so that the
# results cost no page faults after the first: the best case, as in a long-lived training process.
# "huge" has huge pages besides, by PyTorch's own switch.
KEEP_MEMORY = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=0x7fffffffffff"
TORCH_MEMORY = {
    "returned": {},
    "kept": {"GLIBC_TUNABLES": KEEP_MEMORY},
    "huge": {"GLIBC_TUNABLES": KEEP_MEMORY, "THP_MEM_ALLOC_ENABLE": "1"},
}


class Absent(Exception):
    """The program does not have that operation or type."""


def busy_seconds():
    """Processor time that somebody used since the start, all cores; time stolen by a hypervisor
    counts."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(
            int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def process_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def raise_priority(nice):
    """Sets the priority of this process, the first one of its session. Linux weighs sessions against
    each other before the processes in them."""
    os.nice(nice)
    session = Path("/proc/self/autogroup")
    if nice != 0 and session.exists():
        session.write_text(str(nice), encoding="ascii")


class Program:
    def __init__(self, name, command, nice, environment=None, cpus=None):
        self.name = name

        def before():
            raise_priority(nice)
            if cpus:
                os.sched_setaffinity(0, cpus)

        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, **(environment or {})}, start_new_session=True, preexec_fn=before)
        self.info = self.ask("info")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name}: {line}: ended with {self.process.wait()}")
        kind, _, rest = answer.strip().partition(" ")
        if kind == "absent":
            raise Absent(f"{self.name}: {rest}")
        if kind not in ("info", "seconds"):
            raise RuntimeError(f"{self.name}: {line}: got {kind} {rest}".strip())
        return rest

    def time(self, operation, dtype, layout, shape, threads, repetitions, milliseconds):
        """One measurement: seconds of each repetition, and the share of the machine's processor
        time that went to others meanwhile."""
        begin, busy, own = time.monotonic(), busy_seconds(), process_seconds(self.process.pid)
        answer = self.ask(f"time {operation} {dtype} {layout} {','.join(map(str, shape))} "
                          f"threads {threads} repetitions {repetitions} milliseconds {milliseconds}")
        elapsed = time.monotonic() - begin
        others = (busy_seconds() - busy) - (process_seconds(self.process.pid) - own)
        disturbed = max(0.0, others / (elapsed * os.cpu_count()))
        return {"seconds": [float(word) for word in answer.split()], "disturbed": disturbed}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(build, nice, instruction_set=None):
    command = [str(Path(build) / "bin" / "bench-batch-norm")]
    return Program("normd", command + ([instruction_set] if instruction_set else []), nice)


def torch(python, nice, memory):
    """`memory` is of TORCH_MEMORY."""
    return Program("PyTorch", [str(python), str(HERE / "torch_peer.py")], nice, TORCH_MEMORY[memory])


def onednn(build, root, nice, threads):
    """oneDNN from PyPI takes its number of threads from the affinity it starts with. The C library
    gives it huge pages, for its arrays and its own memory."""
    library = Path(root) / "lib"
    cpus = sorted(os.sched_getaffinity(0))[-threads:]
    return Program("oneDNN", [str(Path(build) / "bin" / "bench-onednn")], nice, {
        "LD_LIBRARY_PATH": str(library),
        "OCL_ICD_FILENAMES": str(library / "libintelocl.so"),
        "ONEDNN_VERBOSE": "none",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "OMP_NUM_THREADS": str(threads),
    }, cpus)


def wait_until_quiet(budget, share=0.05, window=0.1):
    """Waits until others use less than `share` of the machine; at most `budget` seconds. Returns
    the seconds that it waited."""
    begin = time.monotonic()
    while time.monotonic() - begin < budget:
        busy = busy_seconds()
        time.sleep(window)
        if busy_seconds() - busy <= share * window * os.cpu_count() + 1.5 / TICKS:
            break
    return time.monotonic() - begin
