# SPDX-License-Identifier: Apache-2.0
"""normd and Redis with their data on the same disk, as durability_cost.py starts them."""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

import msgpack

MODES = ["no", "everysec", "always"]
START_SECONDS = 120


class Server:
    """A process that listens on `port` of the loopback."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.log = name, log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=output, stderr=output,
                env={**os.environ, **(environment or {})})
        self.pid = self.process.pid

    def resident(self):
        """Bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def stop(self):
        """Seconds that a clean stop took."""
        begin = time.monotonic()
        self.process.terminate()
        self.process.wait()
        return time.monotonic() - begin

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Daemon(Server):
    """normd. `mode` is None for one that keeps sessions in memory only; `directory` is where data
    and log are. `start_seconds` is the time until it answered."""

    def __init__(self, build, directory, mode):
        directory.mkdir(parents=True, exist_ok=True)
        command = [build / "bin" / "normd", "--port", "0"]
        if mode:
            command += ["--data-dir", directory / "data", "--fsync", mode]
        begin = time.monotonic()
        super().__init__(f"normd {mode or 'in memory'}", command, directory / "log")
        self.mode = mode
        self.port = self.wait_for_port()
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        self.unpacker = msgpack.Unpacker()
        self.ask("ping")
        self.start_seconds = time.monotonic() - begin

    def wait_for_port(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"listening on .*:(\d+)\s", self.log.read_text(encoding="utf-8"))
            if found:
                return int(found.group(1))
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text(encoding='utf-8')}")

    def ask(self, method, **fields):
        self.connection.sendall(msgpack.packb([0, 1, method, fields]))
        while True:
            for _, _, error, result in self.unpacker:
                if error is not None:
                    raise RuntimeError(f"{self.name}: {method}: {error}")
                return result
            data = self.connection.recv(1 << 16)
            if not data:
                raise RuntimeError(f"{self.name}: {method}: the connection ended")
            self.unpacker.feed(data)

    def store(self):
        return self.ask("server.info").get("store", {})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis(Server):
    """An append-only file, no snapshots; all else as Debian's redis-server has it."""

    def __init__(self, directory, mode):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        super().__init__(f"Redis {mode}", [
            "redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", directory,
            "--appendonly", "yes", "--appendfsync", mode, "--save", ""], directory / "log")
        self.mode = mode
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except ConnectionError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.01)


def redis_version():
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is missing: run tests/bench/setup_peers.sh, or install Debian's redis-server")
    words = subprocess.check_output(["redis-server", "--version"], text=True)
    return re.search(r"v=(\S+)", words).group(1)


def check_build(build):
    """Ends with what to do where the build is no use."""
    cache = build / "CMakeCache.txt"
    if not cache.exists() or "CMAKE_BUILD_TYPE:STRING=Release" not in cache.read_text(encoding="utf-8"):
        raise SystemExit(f"{build} is no release build: cmake -S . -B {build} -DCMAKE_BUILD_TYPE=Release")
    for name in ("normd", "bench-load"):
        if not (build / "bin" / name).exists():
            raise SystemExit(f"{name} is missing: cmake --build {build} --target normd bench-load")


def file_system(directory):
    kind = subprocess.check_output(["df", "--output=fstype", str(directory)], text=True).split()[-1]
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(f"{directory} is on {kind}: give --data on a disk")
    return kind


def sync_seconds(directory, size, count):
    """The median time of one append of `size` bytes and its fdatasync: what the disk alone takes."""
    path = directory / "probe"
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            begin = time.monotonic()
            file.write(os.urandom(size))
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begin)
    path.unlink()
    return statistics.median(times)
