"""Files that several processes share: locks, whole writes, full disks."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

try:
    import fcntl
except ImportError:  # Windows: two writers are not noticed there
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "explained",
    "is_being_written",
    "take_lock",
    "read_all",
    "write_all",
    "written_elsewhere",
]


def is_being_written(path: Path) -> bool:
    """Whether a process holds the right to write a file."""
    if fcntl is None:
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def take_lock(descriptor: int, path: Path) -> None:
    """Take the right to write a file, which ends with the process."""
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        written_elsewhere(path)
    except OSError:  # a file system without locks
        return


def written_elsewhere(path: Path) -> NoReturn:
    """Say that another process is at a file."""
    raise RuntimeError(
        f"another process is writing this evaluation to the store {str(path.parent)!r} "
        f"(file {path.name}); wait for it, or name another store"
    )


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write bytes at a place."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def read_all(descriptor: int, length: int, offset: int) -> bytes:
    """Read bytes from a place, fewer at the end of the file."""
    parts = []
    while length and (part := os.pread(descriptor, length, offset)):
        parts.append(part)
        length, offset = length - len(part), offset + len(part)
    return b"".join(parts)


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say what a full disk means for the work that was done."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"there is no room left for the store {str(folder)!r}; what was "
                "written before is kept: make room and call again to go on",
            ) from error
        raise
