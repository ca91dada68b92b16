# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from typing import Optional, Union


def _mode_of(path: str) -> Optional[int]:
    """The permissions of what is there, or of a new file; None: a device or a pipe."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None


def _sync_folder(folder: str) -> None:
    """Brings a new name to the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Union[str, "os.PathLike[str]"], data: bytes) -> None:
    """Writes and syncs a file beside `path`, gives it that name, and syncs the folder.

    What fails, as on a full disk, raises OSError; the file that was there is then as it was, and
    nothing is left beside it. Links are followed; devices and pipes are written to.
    """
    target = os.path.realpath(os.fspath(path))
    mode = _mode_of(os.fspath(path))
    if mode is None:
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(target)
    descriptor, temporary = tempfile.mkstemp(prefix=name + ".", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)
