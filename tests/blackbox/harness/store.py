# SPDX-License-Identifier: Apache-2.0
"""Data directories as the tests see them: daemons on them, checks of them, their files."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Dict, Tuple

from harness import safetensors
from harness.daemon import BUILD, DEADLINE_SECONDS, PROGRAM, Daemon
from harness.rpc import Rpc

NORMCTL = BUILD / "bin" / "normctl"


def run(*words: str, **options: object) -> subprocess.CompletedProcess:
    """A program's output and exit status."""
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, errors="replace",
        timeout=DEADLINE_SECONDS, check=False, **options,
    )


def check(directory: Path, *options: str) -> subprocess.CompletedProcess:
    """`normd --check`."""
    return run(PROGRAM, "--check", directory, *options)


def start_that_fails(directory: Path, *options: str) -> subprocess.CompletedProcess:
    """A daemon that is to refuse the directory; one that does not is ended by the deadline."""
    return run(PROGRAM, "--port", "0", "--data-dir", directory, *options)


def kill(daemon: Daemon) -> None:
    """Ends a daemon as a crash does."""
    daemon.process.kill()
    daemon.wait()
    daemon.kill()


def files_of(directory: Path) -> Dict[str, Tuple[int, int, str]]:
    """Everything below: the mode, the time of the last change, and what is in it."""
    found = {}
    for path in sorted([directory, *directory.rglob("*")]):
        facts = os.lstat(path)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(directory))] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def digest(rpc: Rpc, session: str) -> str:
    """SHA-256 over the names and bytes of what session.export gives: parameters, statistics and
    slots. The file's header may say more in later versions, so it does not count."""
    tensors = safetensors.load(rpc.call("session.export", session=session, format="safetensors")["data"])
    summed = hashlib.sha256()
    for name in sorted(tensors):
        summed.update(f"{name} {tensors[name].dtype.str} {tensors[name].shape}\n".encode())
        summed.update(tensors[name].tobytes())
    return summed.hexdigest()
