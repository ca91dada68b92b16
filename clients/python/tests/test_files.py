# SPDX-License-Identifier: Apache-2.0
"""Files that the package writes: whole or not at all."""

import os
import resource
import stat

import pytest

import normd


def export_of(data):
    return normd.Export("safetensors", 1, data)


def test_an_export_is_written_with_the_mode_of_a_new_file(tmp_path):
    path = tmp_path / "model.safetensors"
    mask = os.umask(0o027)
    try:
        export_of(b"abc").save(path)
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"abc" and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "model"
    export_of(b"old").save(path)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on file sizes fails a write as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, old[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            export_of(bytes(1 << 20)).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["model"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, c=call: (done.append(n), c(*a)))
    export_of(b"abc").save(str(tmp_path / "model"))
    assert done == ["fsync", "replace", "fsync"]


def test_a_link_is_followed_and_the_mode_stays(tmp_path):
    path, link = tmp_path / "real", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o600)
    link.symlink_to("real")
    export_of(b"new").save(link)
    assert link.is_symlink() and path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_or_a_name_that_is_one_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        export_of(b"abc").save(tmp_path / "none" / "model")
    with pytest.raises(OSError):
        export_of(b"abc").save(tmp_path)
    assert os.listdir(tmp_path) == []
