import errno
import os
import stat
import sys

import pytest

from spml_core.errors import StorageError
from spml_core.io import write_atomic


def test_bytes_and_writers_replace_the_whole_file(tmp_path):
    path = tmp_path / "f.bin"
    write_atomic(path, b"one, rather long")
    assert path.read_bytes() == b"one, rather long"
    write_atomic(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


def test_a_failing_writer_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")

    def fails(file):
        file.write(b"half of the new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"no room to write .*f\.bin.*Free some"):
        write_atomic(path, fails)

    def breaks(file):
        file.write(b"half")
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        write_atomic(path, breaks)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failing_system_call_leaves_the_old_file_alone(tmp_path, monkeypatch, where):
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os if where == "fsync" else type(path), where, fails)
    with pytest.raises(StorageError, match=r"f\.bin can't be written: Input/output error"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


def syncing_folders(monkeypatch, number=None):
    """Let bringing a folder to the disk fail with an error number; names of the folders that it was asked for."""
    asked, fsync = [], os.fsync

    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            asked.append(sorted(os.listdir(descriptor)))  # noqa: PTH208 - a descriptor is no path
            if number is not None:
                raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    return asked


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't open folders")
def test_the_folder_is_brought_to_the_disk_after_the_new_name_is_there(tmp_path, monkeypatch):
    asked = syncing_folders(monkeypatch)
    write_atomic(tmp_path / "f.bin", b"new")
    assert asked == [["f.bin"]]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't open folders")
def test_a_folder_that_fails_after_the_new_file_is_there_is_told_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")
    syncing_folders(monkeypatch, errno.EIO)
    with pytest.raises(
        StorageError, match=r"f\.bin is written, but its folder .*Input/output error.*power cut"
    ):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can't open folders")
def test_a_disk_that_knows_no_syncing_of_folders_is_no_failure(tmp_path, monkeypatch):
    syncing_folders(monkeypatch, errno.EINVAL)
    write_atomic(tmp_path / "f.bin", b"new")
    assert (tmp_path / "f.bin").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are a Unix thing")
def test_a_real_limit_on_the_file_size(tmp_path):
    import resource

    path = tmp_path / "f.bin"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="no room"):
            write_atomic(path, b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.bin"]


def test_a_missing_folder(tmp_path):
    with pytest.raises(StorageError, match="gone"):
        write_atomic(tmp_path / "gone" / "f.bin", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are a Unix thing")
def test_permissions_are_kept_and_ordinary(tmp_path):
    path = tmp_path / "f.bin"
    write_atomic(path, b"1")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    write_atomic(path, b"2")
    assert path.stat().st_mode & 0o777 == 0o600
